"""What completes a value on the command line: a short look, and nothing where that fails."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from typing import Any

Complete = Callable[[Any, str], list[str]]

_REQUEST = "2s"
_ALWAYS = {"stage": ("Staging", "Production")}
_WHOLE = 4.0
"""Seconds that a look may take while somebody waits for the Tab key."""


def of(name: str) -> Complete | None:
    """Return what completes the option, or the argument ``deployment``; None: nothing does."""
    look = _LOOKS.get(name) or _words
    if look is _words and not _words(name, None):
        return None

    def complete(ctx: Any, incomplete: str) -> list[str]:
        found = list(_ALWAYS.get(name, ()))

        def run() -> None:
            with contextlib.suppress(Exception):  # none is worth a traceback in a prompt
                found.extend(look(name, ctx.params))

        looking = threading.Thread(target=run, daemon=True)
        looking.start()
        looking.join(_WHOLE)
        return sorted(text for text in set(found) if text.startswith(incomplete))

    return complete


def _words(name: str, _: Any) -> tuple[str, ...]:
    from m2s.settings.options import OPTIONS

    option = OPTIONS.get(name)
    return getattr(option.parse, "words", ()) if option else ()


def _chosen(params: Any) -> Any:
    """Return the settings that the words so far, the variables and m2s.yaml come to."""
    from m2s.base import waiting
    from m2s.cli.choosing import chosen_by
    from m2s.settings.options import OPTIONS

    waiting.say(lambda _: None)
    flags = {
        name.replace("_", "-"): raw
        for name, raw in params.items()
        if name.replace("_", "-") in OPTIONS and raw not in (None, [], ())
    }
    return chosen_by({**flags, "request-timeout": _REQUEST}, params.get("config"))


def _offers(name: str, params: Any) -> Iterable[str]:
    from m2s.cli import connect

    offers = connect.registry(_chosen(params)).offers()
    return offers.stages if name == "stage" else offers.aliases


def _environments(_: str, params: Any) -> Iterable[str]:
    from m2s.settings import build

    return build.names({"all-environments": True}, {}, params.get("config"))


def _contexts(_: str, params: Any) -> Iterable[str]:
    from m2s.targets.kubernetes.credentials import contexts

    return contexts(params.get("kubeconfig"))


def _namespaces(_: str, params: Any) -> Iterable[str]:
    from m2s.targets.kubernetes.namespace import connect

    chosen = _chosen(params)
    timeout = chosen.request_timeout
    where = (None, chosen.kubeconfig, chosen.context)
    return connect(*where, request_timeout=timeout, told=False).namespaces()


def _platforms(_: str, __: Any) -> Iterable[str]:
    from m2s.platforms import catalogue

    return catalogue.names()


def _deployments(_: str, params: Any) -> Iterable[str]:
    from m2s.cli import connect

    live = connect.cluster(_chosen(params)).list()
    return [one.key.name for one in live if one.owner is not None]


_LOOKS: dict[str, Callable[[str, Any], Iterable[str]]] = {
    "stage": _offers, "alias": _offers, "context": _contexts, "namespace": _namespaces,
    "deployment": _deployments, "environment": _environments, "platform": _platforms,
}  # fmt: skip
