"""A server of files on this machine, so that downloads are tested without a network."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class _Handler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.requested.append(self.path)
        if self.path.startswith("/cut-off/"):
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"only the beginning")
        else:
            super().do_GET()


class Server:
    """What a test sees: the address, and which paths were asked for."""

    def __init__(self, http_server: ThreadingHTTPServer):
        self.address = f"http://127.0.0.1:{http_server.server_port}/"
        self.requested = http_server.requested


@contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """Serves the files in `folder`; a path below `/cut-off/` ends too early."""
    http_server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    http_server.requested = []
    thread = threading.Thread(target=http_server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Server(http_server)
    finally:
        http_server.shutdown()
        thread.join()
        http_server.server_close()
