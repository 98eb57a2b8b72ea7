"""What ``m2s watch`` answers over HTTP, of one environment or of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from markupsafe import escape

from m2s.base import threads
from m2s.observers.metrics import Metrics, Together
from m2s.observers.page import Page
from m2s.watch.http_server import probe
from m2s.watch.loop import Loop
from m2s.watch.webhook import Receiver

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_FOLDER = "/environments/"
_HEADERS = [
    ("Content-Type", "text/html; charset=utf-8"),
    ("Content-Security-Policy", "default-src 'none'"),
    ("Cache-Control", "no-store"),
]


class Seen(Protocol):
    """What is looked at of one environment."""

    loop: Loop
    page: Page
    counted: Metrics
    receiver: Receiver | None


def routes(parts: Mapping[str, Seen]) -> dict[str, WSGIApplication]:
    """Return what is answered under which path; the name of one environment alone is "".

    Several are ready as soon as one of them is: one cluster that is down holds up no other one.
    """
    first = next(iter(parts.values()))
    table: dict[str, WSGIApplication] = {
        "/": first.page.application,
        "/healthz": probe(
            lambda: _fault(parts, lambda each: each.loop.stuck()) or threads.fault(threads.DEAD)
        ),
        "/readyz": probe(
            lambda: (
                _fault(parts, lambda each: each.loop.unready(), least=len(parts)) or threads.fault()
            )
        ),
        "/metrics": first.counted.application,
    }
    if len(parts) > 1:
        counted = {name: each.counted for name, each in parts.items()}
        table |= {"/": _index(parts), "/metrics": Together(counted).application}
        table |= {f"{_FOLDER}{name}": each.page.application for name, each in parts.items()}
        table |= {f"/readyz/{name}": probe(each.loop.unready) for name, each in parts.items()}
    return table | ({"/mlflow": first.receiver} if first.receiver else {})


def _fault(
    parts: Mapping[str, Seen], of: Callable[[Seen], str | None], *, least: int = 1
) -> str | None:
    """Return what is wrong where that is so in so many environments at ``least``."""
    found = {name: why for name, each in parts.items() if (why := of(each))}
    told = (f"{name}: {why}" if name else why for name, why in found.items())
    return "; ".join(told) if len(found) >= least else None


def _last(loop: Loop) -> str:
    return loop.last.result if loop.last else "stands by"


def _index(parts: Mapping[str, Seen]) -> WSGIApplication:
    """Return a page with a link to each environment's own."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        rows = "".join(
            f'<li><a href="environments/{quote(name)}">{escape(name)}</a>: '
            f"{escape(each.loop.unready() or _last(each.loop))}</li>\n"
            for name, each in parts.items()
        )
        body = f"<!DOCTYPE html>\n<title>m2s</title>\n<h1>Environments</h1>\n<ul>\n{rows}</ul>\n"
        start_response("200 OK", [*_HEADERS, ("Content-Length", str(len(body.encode())))])
        return [] if environ.get("REQUEST_METHOD") == "HEAD" else [body.encode()]

    return application
