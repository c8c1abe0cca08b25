"""What gunicorn serves in the observer's container."""

from __future__ import annotations

import os
import threading

from observer.topology import from_environment
from observer.visit import Observer, Places
from observer.web import create_app

observer = Observer(from_environment(os.environ), Places())
threading.Thread(target=observer.keep_index, name="flow index", daemon=True).start()
app = create_app(observer, f"http://127.0.0.1:{os.environ['LAB_PORT']}")
