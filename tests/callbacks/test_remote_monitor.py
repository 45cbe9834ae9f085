import json
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import jkeras as keras
from tests.callbacks.models import X, Y, linear


@pytest.fixture
def server():
    """Returns the address of a server, and the requests that it gets: paths, headers, bodies."""
    requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            requests.append((self.path, self.headers, body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    running = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}", requests
    running.shutdown()
    running.server_close()


def test_logs_are_sent(server):
    root, requests = server
    for as_json in (False, True):
        monitor = keras.callbacks.RemoteMonitor(
            root, "/put/", "log", {"X-Token": "abc"}, send_as_json=as_json
        )
        history = linear().fit(X, Y, epochs=2, verbose=0, callbacks=[monitor])
        for epoch in (0, 1):
            path, headers, body = requests.pop(0)
            assert (path, headers["X-Token"]) == ("/put/", "abc")
            text = body if as_json else urllib.parse.parse_qs(body)["log"][0]
            assert json.loads(text) == {"epoch": epoch, "loss": history.history["loss"][epoch]}
            kind = "application/json" if as_json else "application/x-www-form-urlencoded"
            assert headers["Content-Type"] == kind


def test_a_server_that_is_not_there_is_no_error():
    monitor = keras.callbacks.RemoteMonitor("http://127.0.0.1:9")
    with pytest.warns(UserWarning, match=r"Could not reach RemoteMonitor root server at http"):
        assert linear().fit(X, Y, verbose=0, callbacks=[monitor]).epoch == [0]
