"""A small HTTP server for what is looked at from outside: a table of paths and WSGI applications.

The standard library's, a thread to a request. It is meant for probes, scrapes and webhooks behind
a Service, not for the internet. Still nobody can hold it up: there is a bound on the requests at a
time, on the time that each one has, and on what it may send.
"""

from __future__ import annotations

import errno
import io
import logging
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from m2s.base.bounds import after
from m2s.base.deadline import TimedStream
from m2s.base.errors import M2sError
from m2s.base.threads import Kept, Pulse, brief

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger("m2s.http")

TIMEOUT = 10.0
"""Seconds that a client may take over its whole request, and again to take the answer."""
MOST = 32
"""Requests at a time. One more ends the oldest: probes get through whoever holds connections."""
_HEADERS = 64 * 1024
"""Bytes of a request's headers at the most."""
_BODY = 1024 * 1024
"""Bytes of a request's body at the most."""
_LOOK = 0.1
_BOUND = 30.0
"""Seconds from one sign of life of the listening thread to the next."""
_PLAIN = ("Content-Type", "text/plain; charset=utf-8")


class Httpd:
    """Listens from the constructor on; :meth:`start` serves in a daemon thread.

    ``address`` is a host, "" for every one, and a port, 0 for a free one; ``routes`` are WSGI
    applications by exact path, anything else is 404. M2sError: the port is in use, or the address
    is not this machine's.
    """

    def __init__(self, address: tuple[str, int], routes: Mapping[str, WSGIApplication]) -> None:
        host, port = address
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            self._server = _Server(address, _Handler)
        except OSError as error:
            what = "port" if error.errno == errno.EADDRINUSE else "address"
            told = f"--listen {shown}: {error.strerror}: choose another {what}"
            raise M2sError(told) from error
        self._server.set_app(_dispatch(routes))
        self._closed = threading.Event()
        self._thread = Kept("m2s-http", self._serve, self._closed)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Serve."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening; requests under way are dropped."""
        self._closed.set()
        if self._thread.alive:
            self._server.shutdown()
        self._server.server_close()

    def _serve(self, pulse: Pulse) -> None:
        self._server.looked = lambda: pulse.beat(_BOUND)
        self._server.serve_forever(_LOOK)


def probe(fault: Callable[[], str | None]) -> WSGIApplication:
    """Return an application that answers 200 ``ok``, or 503 with the ``fault`` there is."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        why = fault()
        status = "503 Service Unavailable" if why else "200 OK"
        return _text(environ, start_response, status, why or "ok")

    return application


def _dispatch(routes: Mapping[str, WSGIApplication]) -> WSGIApplication:
    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        route = routes.get(environ.get("PATH_INFO", ""))
        if route is None:
            there = " ".join(sorted(routes))
            return _text(environ, start_response, "404 Not Found", f"there is {there}")
        try:
            return route(environ, start_response)
        except OSError:  # of reading the request: the client took too long, or left
            return _text(environ, start_response, "408 Request Timeout", "too slow")
        except Exception as error:  # noqa: BLE001 - one page's bug is in the log, the rest goes on
            _log.error("cannot answer %s: %s", environ.get("PATH_INFO"), brief(error))
            return _text(environ, start_response, "500 Internal Server Error", "see m2s's log")

    return application


def _text(
    environ: WSGIEnvironment, start_response: StartResponse, status: str, text: str
) -> Iterable[bytes]:
    body = f"{text}\n".encode()
    start_response(status, [_PLAIN, ("Content-Length", str(len(body)))])
    return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body]


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: Any) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.looked: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        # whether each connection under way was told to end, the oldest first
        self._under_way: dict[Any, bool] = {}
        super().__init__(address, handler)

    def server_bind(self) -> None:
        # http.server's asks the DNS for this host's full name, which may take long.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def service_actions(self) -> None:
        """Be alive."""
        self.looked()

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - the base's
        """Make room for one more; there is none while the ones that were ended have not."""
        with self._lock:
            if len(self._under_way) >= MOST:
                self._end_oldest()
            if len(self._under_way) >= 2 * MOST:
                return False
            self._under_way[request] = False
        return True

    def _end_oldest(self) -> None:
        oldest = next((each for each, told in self._under_way.items() if not told), None)
        if oldest is not None:
            self._under_way[oldest] = True
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:
        """End a connection."""
        with self._lock:
            self._under_way.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up or took too long is its own affair."""


class _Handler(WSGIRequestHandler):
    timeout = TIMEOUT

    def setup(self) -> None:
        super().setup()
        self._source = TimedStream(self.connection, after(TIMEOUT), _HEADERS)
        self.rfile = io.BufferedReader(self._source)

    def parse_request(self) -> bool:
        """Read the headers; a Content-Length that is none is refused before anybody reads it."""
        if not super().parse_request():
            return False
        lengths = self.headers.get_all("Content-Length", [])
        if len(lengths) > 1 or not all(re.fullmatch("[0-9]{1,15}", each) for each in lengths):
            self.send_error(400, "odd Content-Length")
            return False
        self._source.most += _BODY
        return True

    def get_stderr(self) -> Any:
        """Where wsgiref writes the traceback of a client that left."""
        return io.StringIO()

    def log_message(self, *args: Any) -> None:
        """Probes come every few seconds: no lines for them."""
