"""Every page of a list: all of them, or an error."""

from __future__ import annotations

from collections.abc import Mapping

from m2s.base.errors import ClusterError
from m2s.objects.body import Body
from m2s.targets.kubernetes import decoder
from m2s.targets.kubernetes.api import Api
from m2s.targets.kubernetes.failures import Asked, refusal

PAGE = 500
"""Objects to a page: client-go's own page size."""
PAGES = 1000
"""Pages at the most."""
_RESTARTS = 3


def items(api: Api, path: str, asked: Asked, query: Mapping[str, str] | None = None) -> list[Body]:
    """Return the items of all pages of a list.

    A list whose continuation expired (410) starts afresh, a bounded number of times. ClusterError:
    it cannot be had completely.
    """
    for _ in range(_RESTARTS):
        found = _read(api, path, asked, query or {})
        if found is not None:
            return found
    raise _incomplete(asked, f"its pages expired {_RESTARTS} times while they were read")


def _read(api: Api, path: str, asked: Asked, query: Mapping[str, str]) -> list[Body] | None:
    """Return every item; None when the continuation expired."""
    found: dict[str, Body] = {}
    token, tokens = "", set[str]()
    while len(tokens) < PAGES:
        page = {**query, "limit": str(PAGE), **({"continue": token} if token else {})}
        answer = api.ask("GET", path, asked, query=page)
        if answer.status == 410:
            return None
        if not answer.ok:
            raise refusal(answer, asked)
        listed, token = decoder.page(answer, asked)
        new = {item["metadata"]["name"]: item for item in listed}
        if token in tokens or len(new) < len(listed) or not found.keys().isdisjoint(new):
            raise _incomplete(asked, "its pages repeat themselves")
        found |= new
        if not token:
            return list(found.values())
        tokens.add(token)
    raise _incomplete(asked, f"it has more than {PAGES} pages")


def _incomplete(asked: Asked, why: str) -> ClusterError:
    return ClusterError(f"cannot {asked} of {asked.server} completely: {why}")
