"""A server of files on the loopback interface."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server:
    """Serves `files` by name. `behave` maps a name to a status, or to a function of the handler."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.sums: dict[str, str] = {}
        self.behave: dict[str, Any] = {}
        self.asked: list[str] = []
        self.delay = 0.0
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> Any:
                name = self.path.lstrip("/")
                outer.asked.append(name)
                time.sleep(outer.delay)
                act = outer.behave.get(name.rpartition("/")[2], 200)
                if callable(act):
                    return act(self)
                body = outer.files.get(name) if act == 200 else None
                if body is None:
                    return self.send_error(act if act != 200 else 404)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                return self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.closing.set()
        self.http.shutdown()
        self.thread.join()
        self.http.server_close()
