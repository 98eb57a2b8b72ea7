"""A small HTTP server for what is looked at from outside: a table of paths and WSGI applications.

The standard library's, a thread to a request. It is meant for probes, scrapes and webhooks behind
a Service, not for the internet.
"""

from __future__ import annotations

import errno
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from m2s.base.errors import M2sError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_log = logging.getLogger("m2s.http")

TIMEOUT = 10.0
"""Seconds that a client may take over its request."""
_PLAIN = ("Content-Type", "text/plain; charset=utf-8")


class Httpd:
    """Listens from the constructor on; :meth:`start` serves in a daemon thread.

    Args:
        address: host, "" for every one, and port, 0 for a free one.
        routes: WSGI application by exact path; anything else is 404.

    Raises:
        M2sError: the port is in use, or the address is not this machine's.
    """

    def __init__(self, address: tuple[str, int], routes: Mapping[str, WSGIApplication]) -> None:
        host, port = address
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            kind = _Server6 if ":" in host else _Server
            self._server = kind(address, _Handler)
        except OSError as error:
            remedy = (
                "choose another port"
                if error.errno == errno.EADDRINUSE
                else "choose another address"
            )
            raise M2sError(f"--listen {shown}: {error.strerror}: {remedy}") from error
        self._server.set_app(_dispatch(routes))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="m2s-http", daemon=True
        )

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Serve."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening; requests under way are dropped."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()


def probe(fault: Callable[[], str]) -> WSGIApplication:
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
        except Exception:  # noqa: BLE001 - one page's bug is in the log, the loop goes on
            _log.exception("cannot answer %s", environ.get("PATH_INFO"))
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

    def server_bind(self) -> None:
        # http.server's asks the DNS for this host's full name, which may take long.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up or took too long is its own affair."""


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = TIMEOUT

    def log_message(self, *args: Any) -> None:
        """Probes come every few seconds: no lines for them."""
