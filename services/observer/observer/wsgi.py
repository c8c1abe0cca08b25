"""What gunicorn serves in the observer's container."""

from __future__ import annotations

import os

from observer.topology import from_environment
from observer.visit import Observer, Places
from observer.web import create_app

app = create_app(Observer(from_environment(os.environ), Places()), f"http://127.0.0.1:{os.environ['LAB_PORT']}")
