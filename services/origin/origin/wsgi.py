"""What gunicorn runs."""

from __future__ import annotations

import os
from pathlib import Path

from origin.app import Settings, create_app
from origin.misbehaviour import Misbehaviour

settings = Settings(name=os.uname().nodename, shared=Path("/orders"))
application = Misbehaviour(create_app(settings), settings.name)
