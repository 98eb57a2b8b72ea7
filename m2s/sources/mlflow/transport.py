"""How mlflow's client asks over HTTP: every request ends, and its credentials go to one server.

MLflow repeats requests and follows redirects in one function's session
(``mlflow/utils/request_utils.py``). It gets one of ours, with MLflow's own retries and connections.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
from mlflow.utils import request_utils
from urllib3.exceptions import InvalidHeader, MaxRetryError, ResponseError
from urllib3.poolmanager import pool_classes_by_scheme
from urllib3.util.retry import Retry

from m2s.base import deadline, trace, waiting
from m2s.base.bounds import after
from m2s.sources.mlflow.environment import TIMEOUT

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

_SILENCE = 30.0
"""Seconds for one attempt where MLflow sets none."""
_LARGEST = 64 * 1024 * 1024
"""Bytes of one answer that MLflow's client gets: a page of 1,000 models has some megabytes."""
_SESSION = "_get_request_session"
_SLOWEST = 100_000
"""Bytes a second below which a large file is not waited for."""
_more: ContextVar[float] = ContextVar("more", default=0.0)


@contextmanager
def expecting(size: int) -> Iterator[None]:
    """Give the requests of this block the time that an answer of so many bytes may take."""
    token = _more.set(size / _SLOWEST)
    try:
        yield
    finally:
        _more.reset(token)


def install() -> None:
    """Have mlflow ask through :class:`Session` from now on."""
    theirs = getattr(request_utils, _SESSION, None)
    if theirs is not None and not getattr(theirs, "ours", False):
        made = lru_cache(maxsize=64)(lambda *options, **more: _session(theirs(*options, **more)))
        made.ours = True  # type: ignore[attr-defined]  # so that it is replaced once
        setattr(request_utils, _SESSION, made)


def _session(theirs: requests.Session) -> Session:
    """Return a session of ours in the place of MLflow's."""
    session = Session()
    session.adapters = theirs.adapters
    adapters: dict[int, Any] = {id(each): each for each in session.adapters.values()}
    for adapter in adapters.values():
        retries = adapter.max_retries.new()
        retries.__class__ = Patient  # has no fields of its own
        session.tries = (retries.total or 0) + 1
        adapter.max_retries = retries
        _time(adapter)
    return session


def _time(adapter: Any) -> None:
    """Have an adapter's connections end in time, those through a proxy too."""
    adapter.poolmanager.pool_classes_by_scheme = deadline.POOLS
    make = adapter.proxy_manager_for

    def timed(*args: Any, **options: Any) -> Any:
        manager = make(*args, **options)
        if manager.pool_classes_by_scheme is pool_classes_by_scheme:  # SOCKS has its own
            manager.pool_classes_by_scheme = deadline.POOLS
        return manager

    adapter.proxy_manager_for = timed


class Session(requests.Session):
    """One that ends each request in time, and asks the server that it was told to, nobody else.

    ``tries`` is how many attempts there are. One attempt has MLFLOW_HTTP_REQUEST_TIMEOUT, and what
    :func:`expecting` adds; all of them with the waits in between have ``tries`` times as much.
    """

    tries = 1

    def request(self, method: Any, url: Any, **options: Any) -> Any:  # type: ignore[override]
        """Send a request; see :class:`requests.Session`."""
        given = options.get("timeout") or os.environ.get(TIMEOUT) or _SILENCE
        options["timeout"] = float(given)
        each = float(given) + _more.get()
        whole = after(self.tries * each)
        streamed = options.pop("stream", False)
        who = waiting.on(f"MLflow at {_server(url)}")
        with trace.request(method, url) as told, who, deadline.within(whole, each):
            response = super().request(method, url, stream=True, **options)
            told.url, told.status = response.url, response.status_code
            if not (streamed and _more.get()):  # only who expects a large file gets one
                response.__class__ = Bounded  # has no fields of its own
            _ = streamed or response.content  # which is read as a whole by that
            return response

    def get_redirect_target(self, resp: Any) -> Any:
        """Return where to go on, None for nowhere; TooManyRedirects: it is another server."""
        target = super().get_redirect_target(resp)
        if target is None:
            return None
        whole = urljoin(resp.url, target)
        if self.should_strip_auth(resp.url, whole):
            resp.close()
            raise requests.exceptions.TooManyRedirects(
                f"it redirects to {_server(whole)}, which m2s does not follow, so that credentials "
                "go to one server only: if that is right, give it with --tracking-uri"
            )
        return target


class Bounded(requests.Response):
    """An answer of which no more is read than there may be."""

    def iter_content(self, *how: Any, **options: Any) -> Iterator[Any]:
        """Yield the pieces; see :meth:`requests.Response.iter_content`.

        Raises:
            RequestException: there is more.
        """
        size = 0
        for piece in super().iter_content(*how, **options):
            size += len(piece)
            if size > _LARGEST:
                self.close()
                raise requests.exceptions.RequestException(
                    f"{_server(self.url)} sends more than {_LARGEST} bytes"
                )
            yield piece


class Patient(Retry):
    """MLflow's retries, which are told of and end with the request's time."""

    def sleep(self, response: BaseHTTPResponse | None = None) -> None:
        """Wait before the next attempt; there is none when the time would be over by then."""
        seconds = self._asked(response) if response is not None else None
        if seconds is None:
            seconds = self.get_backoff_time()
        if seconds >= deadline.time_left():
            raise MaxRetryError(None, "", self._last(response))  # type: ignore[arg-type]
        failed = _brief(self._last(response))
        waiting.again(failed if response is None else f"it answers {response.status}")
        time.sleep(seconds)

    def _asked(self, response: BaseHTTPResponse) -> float | None:
        if not self.respect_retry_after_header:
            return None
        try:
            return self.get_retry_after(response)
        except (InvalidHeader, ValueError, OverflowError):
            return None

    def _last(self, response: BaseHTTPResponse | None) -> Exception:
        if response is not None:
            return ResponseError(ResponseError.SPECIFIC_ERROR.format(status_code=response.status))
        return self.history[-1].error or ResponseError(ResponseError.GENERIC_ERROR)


def _brief(error: BaseException) -> str:
    text = str(error).rpartition("] ")[2].strip(" ()'\"").lower()
    if "timed out" in text:
        return "no answer in time"
    return text if len(text) <= 80 else type(error).__name__


def _server(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
