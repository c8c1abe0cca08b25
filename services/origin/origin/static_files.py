"""The site's own files: style sheet, pictures, icon."""

from __future__ import annotations

import hashlib
from pathlib import Path

from flask import Flask, Response, request, send_from_directory

MAX_AGE_S = 60  # short, so that a visit can see a copy go stale


class WithStaticFiles(Flask):
    """Flask, with validators of static files that are made of their bytes alone (RFC 9110, section 8.8.1).

    Flask's own are made of time and size. In an image all files have the same time, so a changed file of the same size
    would be told as unchanged; for the same reason there is no Last-Modified.
    """

    def send_static_file(self, filename: str) -> Response:
        folder = Path(self.static_folder or "")
        response = send_from_directory(folder, filename, etag=False, conditional=False, max_age=MAX_AGE_S)
        del response.headers["Last-Modified"]
        response.direct_passthrough = False
        content = response.get_data()
        response.close()  # the file: all of it is read
        response.set_etag(hashlib.sha256(content).hexdigest()[:20])
        response.make_conditional(request, accept_ranges=True, complete_length=len(content))
        return response
