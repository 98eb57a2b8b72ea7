"""Pure: container image references, and what Neu.ro's ``image:`` URIs stand for."""

from __future__ import annotations

import re

# The grammar of github.com/distribution/reference: reference.go and regexp.go.
_HOST = (
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*"
)
_DOMAIN = rf"{_HOST}|\[[0-9a-fA-F:]+\])(?::[0-9]+)?"
_PART = r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[+._-][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_DOMAIN}/)?{_PART}(?:/{_PART})*)(?::\w[\w.-]{{0,127}})?(?:@{_DIGEST})?",
    re.ASCII,
)
_LONGEST_NAME = 255
_WANTS = "wants an image reference such as registry.example.com/team/server:1.2"


def reference(text: str, registry: str | None = None) -> str:
    """Return ``text`` as an image reference that a container runtime pulls.

    It is one, or Neu.ro's URI of one: ``image:NAME:TAG``, ``image:/OWNER/NAME:TAG`` or
    ``image://CLUSTER/OWNER/NAME:TAG``; ``registry`` is what ``image:`` stands for, as
    ``registry.CLUSTER.org.neu.ro/OWNER``. ValueError: it is neither, or needs a registry.
    """
    written = _pulled(text, registry) if text.startswith("image:") else text
    found = _REFERENCE.fullmatch(written)
    if not found or len(found["name"]) > _LONGEST_NAME:
        raise ValueError(f"{_WANTS}, not {text!r}")
    return written


def _pulled(uri: str, registry: str | None) -> str:
    rest = uri.removeprefix("image:")
    if rest.startswith("//"):
        cluster, _, path = rest.removeprefix("//").partition("/")
        return f"registry.{cluster}.org.neu.ro/{path}"
    if registry is None:
        raise ValueError(f"{uri!r} does not say which registry: --image-registry does")
    if rest.startswith("/"):
        return registry.partition("/")[0] + rest
    return f"{registry.rstrip('/')}/{rest}"
