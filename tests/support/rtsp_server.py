"""A small RTSP server: ffmpeg publishes to it, and whoever asks gets that stream (RFC 2326).

RTP travels within the RTSP connection alone (interleaved), in both directions.
"""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

Headers = dict[str, str]


class RtspServer:
    """One stream; with a login, a reader has to know it."""

    def __init__(self, login: str = "") -> None:
        self.login = login
        self.requests: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sdp = b""
        self._published = threading.Event()
        self._readers: list[_Connection] = []
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def url(self, login: str = "") -> str:
        return f"rtsp://{login}{'@' if login else ''}127.0.0.1:{self.port}/live"

    def await_stream(self) -> None:
        """Wait until somebody publishes."""
        assert self._published.wait(60), "nobody publishes"

    def close(self) -> None:
        """End it, and every connection."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._connections.append(client)
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        connection = _Connection(client)
        with client, suppress(OSError, ValueError):
            while (first := connection.stream.read(1)) != b"":
                if first == b"$":
                    self._pass_on(first + connection.read_packet())
                else:
                    self._answer(connection, first)
        if connection in self._readers:
            self._readers.remove(connection)

    def _pass_on(self, packet: bytes) -> None:
        for reader in list(self._readers):
            with suppress(OSError):
                reader.send(packet)

    def _answer(self, connection: _Connection, first: bytes) -> None:
        method, headers, body = connection.read_request(first)
        if not method:
            return None
        self.requests.append(method)
        reply = {"CSeq": headers.get("cseq", "0"), "Session": "1"}
        if method in {"DESCRIBE", "PLAY"} and not self._knows(headers):
            reply["WWW-Authenticate"] = 'Basic realm="camera"'
            return connection.reply("401 Unauthorized", reply)
        match method:
            case "OPTIONS":
                reply["Public"] = "DESCRIBE, SETUP, PLAY, TEARDOWN, ANNOUNCE, RECORD"
            case "ANNOUNCE":
                self._sdp = body
            case "SETUP":
                reply["Transport"] = headers["transport"]
            case "RECORD":
                self._published.set()
            case "DESCRIBE":
                reply["Content-Type"] = "application/sdp"
                return connection.reply("200 OK", reply, self._sdp)
            case "PLAY":
                connection.reply("200 OK", reply)
                self._readers.append(connection)
                return None
            case _:
                pass
        return connection.reply("200 OK", reply)

    def _knows(self, headers: Headers) -> bool:
        expected = base64.b64encode(self.login.encode()).decode()
        return not self.login or headers.get("authorization") == f"Basic {expected}"


class _Connection:
    def __init__(self, client: socket.socket) -> None:
        self.stream: IO[bytes] = client.makefile("rb")
        self._client, self._guard = client, threading.Lock()

    def send(self, data: bytes) -> None:
        with self._guard:
            self._client.sendall(data)

    def reply(self, status: str, headers: Headers, body: bytes = b"") -> None:
        lines = [f"RTSP/1.0 {status}", *(f"{name}: {value}" for name, value in headers.items())]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def read_packet(self) -> bytes:
        """Of interleaved data, what follows the ``$``: channel, length, bytes."""
        head = self.stream.read(3)
        return head + self.stream.read(int.from_bytes(head[1:], "big"))

    def read_request(self, first: bytes) -> tuple[str, Headers, bytes]:
        method = (first + self.stream.readline()).decode().split(" ")[0].strip()
        headers: Headers = {}
        while line := self.stream.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return method, headers, self.stream.read(int(headers.get("content-length", 0)))


@contextmanager
def serving(login: str = "") -> Iterator[RtspServer]:
    """A server without a stream yet."""
    server = RtspServer(login)
    try:
        yield server
    finally:
        server.close()
