"""The HTTP half of the fault proxy: takes requests, asks the upstream, hands the answer on."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.servers.faults import Fault, Recorded, Upstream

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host"}


class Relay(ThreadingHTTPServer):
    """Listens on a free port; ``admit`` says what is to go wrong with each request."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, upstream: Upstream, admit: Callable[[Recorded], Fault], closing: threading.Event
    ) -> None:
        self.upstream, self.admit, self.closing = upstream, admit, closing
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
        if fault.status is not None:
            self._send(fault.status, fault.headers, fault.body)
        elif fault.at_byte == -1:
            self._hang_up()
        else:
            self._forward(request, fault)

    do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815 - http.server's names

    def log_message(self, *args: object) -> None:
        """Say nothing: pytest shows what matters."""

    def _forward(self, request: Recorded, fault: Fault) -> None:
        if fault.gate is not None:
            fault.gate.wait()
        if fault.seconds is not None:
            self.server.closing.wait(fault.seconds)
        if fault.drip is not None:
            self.wfile = _Drip(self.wfile, fault.drip, self.server.closing)  # type: ignore[assignment]
        try:
            with self._asked(request) as answer:
                if fault.at_byte == -2:
                    self._hang_up()
                else:
                    self._relay(answer, fault.at_byte)
        except (OSError, HTTPException):
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

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self._head(status, {"Content-Length": str(len(body)), **headers})
        self.wfile.write(body)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)
