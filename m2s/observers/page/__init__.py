"""The page at ``/`` of ``m2s watch``: what is watched, served, planned and in the way, to be read.

Written whole by the server, without a script, and with nothing from elsewhere: it works behind a
port-forward and in a cluster without a way out. The only importer of jinja2 besides the templates'
expressions; everything shown passes :mod:`m2s.base.mask`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from m2s import __version__
from m2s.base import mask
from m2s.observers.last_seen import Sight
from m2s.observers.page.asked import Asked
from m2s.observers.page.view import ON_A_PAGE, Moment, Passes
from m2s.settings.groups import Settings
from m2s.watch.passes import Edges
from m2s.watch.report import PassReport

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

_METHODS = ("GET", "HEAD")
_REFUSAL = [("Content-Type", "text/plain; charset=utf-8"), ("Allow", ", ".join(_METHODS))]
_REFRESH = (5, 60)
"""Seconds, the least and the most, after which a browser asks again; the interval, in between."""


class Page:
    """An observer of passes, and the WSGI application that tells of them.

    ``settings`` and ``edges`` say what is watched, ``sight`` has our deployments as they were last
    seen, ``now`` returns the time in UTC.
    """

    def __init__(
        self,
        settings: Settings,
        edges: Edges,
        sight: Sight,
        leading: Callable[[], bool],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._sight, self._leading, self._now = sight, leading, now
        self._style = _read("style.css")
        self._template = Environment(
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
        ).from_string(_read("page.html"))

        self.move(settings, edges)

    def move(self, settings: Settings, edges: Edges) -> None:
        """Tell of other settings from now on; what was seen by the old ones is forgotten."""
        self._watched = settings, edges
        self._passes = Passes()

    def __call__(self, report: PassReport) -> None:
        """Take note of one pass."""
        self._passes = self._passes.after(report)

    def application(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        """Answer GET and HEAD with the page; nothing else is allowed."""
        method = environ.get("REQUEST_METHOD", "")
        if method not in _METHODS:
            start_response("405 Method Not Allowed", _REFUSAL)
            return [b"for reading only\n"]
        body = self._html(Asked.of(environ.get("QUERY_STRING", ""))).encode()
        start_response("200 OK", [*self._headers(), ("Content-Length", str(len(body)))])
        return [] if method == "HEAD" else [body]

    def _html(self, asked: Asked) -> str:
        settings, edges = self._watched
        seen = self._sight.deployments()
        moment = Moment(settings, edges, self._leading(), self._passes, seen, self._now(), asked)
        return self._template.render(
            view=moment,
            most=ON_A_PAGE,
            style=Markup(self._style),  # noqa: S704 - m2s's own file
            refresh=min(max(settings.interval, _REFRESH[0]), _REFRESH[1]),
            release=__version__,
        )

    def _headers(self) -> list[tuple[str, str]]:
        digest = base64.b64encode(hashlib.sha256(self._style.encode()).digest()).decode()
        policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
            "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )
        return [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cache-Control", "no-store"),
        ]


def _shown(value: Any) -> Any:
    """Return what is put in place of ``{{ … }}``: law 7, whatever the template asks for."""
    return value if isinstance(value, Markup) else mask.text(str(value))


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
