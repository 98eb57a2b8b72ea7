"""The list ``notify`` of m2s.yaml: whom ``watch`` tells about what."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from m2s.base.names import meant
from m2s.domain.happenings import REASONS
from m2s.settings.defaults import Misplaced

KEY = "notify"
FIELDS = ("deployment", "environment", "kind", "message", "model", "namespace", "owner", "reason",
          "time", "version")  # fmt: skip
"""What a template can have as ``{{ field }}``."""
PLACEHOLDER = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_KEYS = ("url", "url-file", "token-file", "on", "template")


@dataclass(frozen=True, kw_only=True)
class Hook:
    """One webhook.

    Attributes:
        url: where it is, "" where ``url_file`` has it.
        url_file: a file with the URL, read anew for each message.
        token_file: a file with a token, sent as ``Authorization: Bearer``.
        on: the reasons of Events that it is told of.
        template: the body: a text, or what becomes JSON; None is a CloudEvent.
    """

    url: str
    url_file: str | None
    token_file: str | None
    on: frozenset[str]
    template: Any


def read(raw: Any) -> dict[str, Any]:
    """Return the setting that the key comes to.

    Raises:
        Misplaced: naming what is wrong, and where; never a URL, which may be a secret.
    """
    if not isinstance(raw, list):
        raise Misplaced((), f"{KEY}: wants a list of webhooks, each with url or url-file")
    return {KEY: tuple(_hook(at, each) for at, each in enumerate(raw))}


def _hook(at: int, raw: Any) -> Hook:
    for path, problem in _problems(raw):
        raise Misplaced((at, *path), f"{KEY}{''.join(f'.{step}' for step in path)}: {problem}")
    on = raw.get("on")
    chosen = REASONS if on is None else [reason for reason in REASONS if reason.lower() in _low(on)]
    return Hook(
        url=raw.get("url", ""),
        url_file=raw.get("url-file"),
        token_file=raw.get("token-file"),
        on=frozenset(chosen),
        template=raw.get("template"),
    )


def _problems(raw: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what is wrong with a webhook, and where in it."""
    if not isinstance(raw, Mapping):
        yield (), "wants a mapping with url or url-file"
        return
    for key in raw:
        if key not in _KEYS:
            yield (str(key),), f"no such key; {meant(str(key), _KEYS)}"
    if ("url" in raw) == ("url-file" in raw):
        yield (), "wants one of url and url-file"
    if "url" in raw and not usable(raw["url"]):
        yield ("url",), "wants an http or https URL"
    for key in ("url-file", "token-file"):
        if not isinstance(raw.get(key, "-"), str):
            yield (key,), "wants the path of a file"
    yield from _odd_reasons(raw)
    yield from _odd_fields(raw)


def _odd_fields(raw: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    for text in _texts(raw.get("template")):
        for name in PLACEHOLDER.findall(text):
            if name not in FIELDS:
                yield ("template",), f"{{{{ {name} }}}} is no field; {meant(name, FIELDS)}"


def _odd_reasons(raw: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    on = raw.get("on", [REASONS[0]])
    if not isinstance(on, list) or not on:
        yield ("on",), f"wants a list of reasons such as [{', '.join(REASONS[:2])}]"
        return
    for each in on:
        if str(each).lower() not in _low(REASONS):
            yield ("on",), f"there is no reason {each!r}; {meant(str(each), REASONS)}"


def _low(reasons: Iterable[Any]) -> set[str]:
    return {str(reason).lower() for reason in reasons}


def usable(url: Any) -> bool:
    """Whether a URL can be called."""
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        return bool(parts and parts.scheme in ("http", "https") and parts.hostname)
    except ValueError:
        return False


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    for inner in (
        part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    ):
        yield from _texts(inner)
