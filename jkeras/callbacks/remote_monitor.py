"""Epochs' logs sent to a server."""

import json
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from jkeras.callbacks.callback import Callback
from jkeras.core import processes


class RemoteMonitor(Callback):
    """Sends each epoch's logs to a server, by POST; a server that does not answer is not an error.

    Args:
        root: The address of the server.
        path: The path on it.
        field: The name of the form's field that holds the JSON text.
        headers: HTTP headers.
        send_as_json: Whether to send the JSON text itself (`application/json`), and no form.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: Mapping[str, str] | None = None,
        send_as_json: bool = False,
    ):
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        import urllib.error
        import urllib.parse
        import urllib.request

        if not processes.writes_files():
            return
        values = {k: np.asarray(v).tolist() for k, v in (logs or {}).items()}
        body, kind = json.dumps({"epoch": epoch, **values}), "application/json"
        if not self.send_as_json:
            body = urllib.parse.urlencode({self.field: body})
            kind = "application/x-www-form-urlencoded"
        headers = {"Content-Type": kind, **(self.headers or {})}
        request = urllib.request.Request(self.root + self.path, body.encode(), headers)
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except (urllib.error.URLError, TimeoutError):
            warnings.warn(f"Could not reach RemoteMonitor root server at {self.root}", stacklevel=2)
