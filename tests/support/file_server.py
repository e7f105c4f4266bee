"""A real web server on loopback that can misbehave on purpose."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Act = Callable[["Handler"], None]


class Server(ThreadingHTTPServer):
    """Serves ``body`` at any path; each request takes the next of ``acts`` while there are any."""

    daemon_threads = True

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = body
        self.acts: list[Act] = []
        self.times: list[float] = []
        self.ranges: list[str | None] = []
        self.over = threading.Event()

    def url(self, name: str = "net.pth") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/files/{name}"

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is part of the play."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:  # the name http.server calls
        self.server.times.append(time.monotonic())
        self.server.ranges.append(self.headers.get("Range"))
        acts = self.server.acts
        (acts.pop(0) if acts else whole)(self)

    def log_message(self, *_: object) -> None:
        """Silence."""

    def begin(self, status: int, length: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()


def whole(handler: Handler) -> None:
    body = handler.server.body
    handler.begin(200, len(body))
    handler.wfile.write(body)


def rest(handler: Handler) -> None:
    """Honour the Range header."""
    body = handler.server.body
    result = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    start = int(result[1]) if result else 0
    if start >= len(body):
        handler.begin(416, 0)
        return
    where = f"bytes {start}-{len(body) - 1}/{len(body)}"
    handler.begin(206, len(body) - start, Content_Range=where)
    handler.wfile.write(body[start:])


def elsewhere(handler: Handler) -> None:
    """Answer 206 with another part than the one asked for."""
    body = handler.server.body
    handler.begin(206, len(body), Content_Range=f"bytes 0-{len(body) - 1}/{len(body)}")
    handler.wfile.write(body)


def cut(handler: Handler) -> None:
    """Promise all, send half, hang up."""
    body = handler.server.body
    handler.begin(200, len(body))
    handler.wfile.write(body[: len(body) // 2])


def stall(handler: Handler) -> None:
    """Send half, then say nothing."""
    body = handler.server.body
    handler.begin(200, len(body))
    handler.wfile.write(body[: len(body) // 2])
    handler.wfile.flush()
    handler.server.over.wait(20)


def silent(handler: Handler) -> None:
    """Accept, and never answer."""
    handler.server.over.wait(20)


def other(handler: Handler) -> None:
    """A login page instead of the file."""
    handler.begin(200, 17)
    handler.wfile.write(b"<html>hello</html"[:17])


def status(code: int) -> Act:
    return lambda handler: handler.begin(code, 0)


@contextmanager
def serving(body: bytes) -> Iterator[Server]:
    server = Server(body)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
