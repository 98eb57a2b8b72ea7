"""The HTTP half of the fault proxy: takes requests, asks the upstream, hands the answer on."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.servers.faults import Answered, Fault, Recorded, Upstream

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"}
_LENGTHS = {*_HOP_BY_HOP, "content-length"}


class Relay(ThreadingHTTPServer):
    """Listens on a free port; ``admit`` says what is to go wrong with each request."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, upstream: Upstream, admit: Callable[[Recorded], Fault], closing: threading.Event
    ) -> None:
        self.upstream, self.admit, self.closing = upstream, admit, closing
        self.recalls: Callable[[Recorded], bool] = lambda _: False
        self._recalled: dict[tuple[str, str], Answered] = {}
        super().__init__(("127.0.0.1", 0), _Handler)
        self.trust: ssl.SSLContext | None = None
        if tls := upstream.tls:
            self.trust = ssl.create_default_context(cafile=str(tls.ca_file))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.cert_file, tls.key_file)
            # The handshake is the handler thread's: a slow client must not stop the others.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )

    def recalled(self, request: Recorded, ask: Callable[[], Answered]) -> Answered | None:
        """Return what was answered before where ``recalls`` says so; asked once for that."""
        if not self.recalls(request):
            return None
        known = (request.method, request.path)
        if known not in self._recalled:
            self._recalled[known] = ask()
        return self._recalled[known]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what tests do on purpose."""


class _Drip:
    """Writes a byte at a time, and nothing more once the proxy closes."""

    def __init__(self, out: Any, seconds: float, closing: threading.Event) -> None:
        self._out, self._seconds, self._closing = out, seconds, closing

    def write(self, data: bytes) -> int:
        for start in range(len(data)):
            if self._closing.wait(self._seconds):
                raise ConnectionAbortedError
            self._out.write(data[start : start + 1])
            self._out.flush()
        return len(data)

    def flush(self) -> None:
        self._out.flush()

    def close(self) -> None:
        self._out.close()

    closed = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Relay

    def do_GET(self) -> None:
        """Handle one request of any method."""
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
        request = Recorded(self.command, self.path, headers, body)
        fault = self.server.admit(request)
        if fault.gate is not None:
            fault.gate.wait()
        if fault.drip is not None:
            self.wfile = _Drip(self.wfile, fault.drip, self.server.closing)  # type: ignore[assignment]
        if fault.status is not None:
            self._send(fault.status, fault.headers, fault.body)
        elif fault.raw is not None:
            self.wfile.write(fault.raw)
            self._hang_up()
        elif fault.at_byte == -1:
            self._hang_up()
        elif fault.at_byte == -3:
            self._reset()
        else:
            self._forward(request, fault)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *args: object) -> None:
        """Say nothing: pytest shows what matters."""

    def _forward(self, request: Recorded, fault: Fault) -> None:
        if fault.seconds is not None:
            self.server.closing.wait(fault.seconds)
        try:
            if told := self.server.recalled(request, lambda: self._whole(request)):
                self._tell(told, fault)
                return
            with self._asked(request) as answer:
                if fault.at_byte == -2:
                    self._hang_up()
                elif fault.alter:
                    self._tell(_read(answer), fault)
                else:
                    self._relay(answer, fault.at_byte)
        except (OSError, HTTPException):
            self._hang_up()

    def _whole(self, request: Recorded) -> Answered:
        with self._asked(request) as answer:
            return _read(answer)

    def _tell(self, told: Answered, fault: Fault) -> None:
        """Send an answer that was read as a whole, changed or cut off as the fault says."""
        if fault.at_byte == -2:
            self._hang_up()
            return
        new = fault.alter(told) if fault.alter else told
        self._send(new.status, new.headers, new.body[: fault.at_byte], len(new.body))
        if fault.at_byte is not None:
            self._hang_up()

    @contextlib.contextmanager
    def _asked(self, request: Recorded) -> Iterator[HTTPResponse]:
        netloc = urlsplit(self.server.upstream.url).netloc
        trust = self.server.trust
        upstream = HTTPSConnection(netloc, context=trust) if trust else HTTPConnection(netloc)
        with contextlib.closing(upstream):
            upstream.request(request.method, request.path, request.body or None, request.headers)
            with upstream.getresponse() as answer:
                yield answer

    def _relay(self, answer: HTTPResponse, limit: int | None) -> None:
        length = answer.getheader("Content-Length")
        kept = {k: v for k, v in answer.getheaders() if k.lower() not in _HOP_BY_HOP}
        if length is not None or answer.status in (204, 304) or self.command == "HEAD":
            whole = answer.read()
            self._send(answer.status, kept, whole if limit is None else whole[:limit])
        else:
            self._head(answer.status, {**kept, "Transfer-Encoding": "chunked"})
            self._stream(answer, limit)
        if limit is not None:
            self._hang_up()

    def _stream(self, answer: HTTPResponse, limit: int | None) -> None:
        sent = 0
        while piece := answer.read1(65536):
            part = piece if limit is None else piece[: limit - sent]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part) if part else b"")
            self.wfile.flush()
            sent += len(part)
            if sent == limit:
                return
        self.wfile.write(b"0\r\n\r\n")

    def _send(
        self, status: int, headers: Mapping[str, str], body: bytes, length: int | None = None
    ) -> None:
        length = len(body) if length is None else length
        self._head(status, {"Content-Length": str(length), **headers})
        self.wfile.write(body)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


def _read(answer: HTTPResponse) -> Answered:
    kept = {k: v for k, v in answer.getheaders() if k.lower() not in _LENGTHS}
    return Answered(answer.status, kept, answer.read())
