"""The lines of a Kubernetes watch: each is an event of what is watched, or the stream is broken."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from m2s.base.wording import one_line
from m2s.domain.deployments import LiveDeployment
from m2s.domain.resource import Resource
from m2s.targets.kubernetes import decoder, readable
from m2s.targets.kubernetes.failures import Asked

LINE = 8 * 1024 * 1024
"""Bytes of a line at the most: etcd takes objects of 1.5 MiB, JSON may write them larger."""
_PIECE = 64 * 1024
_CHANGES = ("ADDED", "MODIFIED", "DELETED")


class Broken(Exception):
    """The stream ended before its time; the text says why, "" where that is nothing to tell of.

    ``resumes``: it may be taken up from the last version that came.
    """

    def __init__(self, why: str, *, resumes: bool = False) -> None:
        super().__init__(why)
        self.resumes = resumes


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line: what it says, from which version to go on, and the object, None of a bookmark."""

    kind: str
    version: str
    live: LiveDeployment | None


def events(stream: BaseHTTPResponse, asked: Asked, resource: Resource) -> Iterator[WatchEvent]:
    """Yield the events of a stream about objects of one kind, to its end.

    Broken: it broke off, it says that it cannot go on, or a line is no event.
    """
    for line in _lines(stream):
        yield _event(line, asked, resource)


def _lines(stream: BaseHTTPResponse) -> Iterator[bytes]:
    rest = bytearray()
    while piece := _read(stream):
        rest += piece
        *whole, last = rest.split(b"\n")
        yield from map(bytes, filter(None, whole))
        rest = last
        if len(rest) > LINE:
            raise Broken(f"it sends a line of more than {LINE} bytes")


def _read(stream: BaseHTTPResponse) -> bytes:
    try:
        return stream.read1(_PIECE)
    except HTTPError as error:
        why = f"the connection broke off ({type(error).__name__})"
        raise Broken(why, resumes=True) from error


def _event(line: bytes, asked: Asked, resource: Resource) -> WatchEvent:
    try:
        said = decoder.json_of(line)
    except ValueError:
        said = None
    kind, body = (said.get("type"), said.get("object")) if isinstance(said, dict) else (None, None)
    if not isinstance(body, dict):
        raise Broken(f"it sends what is no event: {_shown(line)}")
    if kind == "ERROR":
        raise Broken("" if body.get("code") == 410 else one_line(str(body.get("message"))))
    if kind == "BOOKMARK" and (version := _version(body, asked)):
        return WatchEvent(kind, version, None)
    if kind in _CHANGES and not decoder.strange(body, asked):
        live = readable.live(body, resource)
        return WatchEvent(kind, live.resource_version, live)
    raise Broken(f"it sends an event of something else: {_shown(line)}")


def _version(body: Mapping[str, Any], asked: Asked) -> str:
    metadata = body.get("metadata")
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) and decoder.is_kind(body, asked) else ""


def _shown(line: bytes) -> str:
    return one_line(line[:100].decode(errors="replace"))
