"""How the locations in a description are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from m2s.platforms.common.locating import UNRESOLVED, is_servable, map_uri, scheme, servable
from m2s.settings.groups import Locations


@dataclass(frozen=True)
class Reader:
    """Reads what a person wrote where a model lies.

    Attributes:
        settings: the prefix map and the artifact root.
        readable: a platform's own (:meth:`m2s.platforms.platform.Platform.readable`).
        known: locations that are as a model server reads them already.
        run_id: the version's run, whose folder marks where the artifact root ends.
        fetches: a platform's own (:meth:`m2s.platforms.platform.Platform.fetches`).
        secret: a platform's own ``credentials``.
    """

    settings: Locations
    readable: Callable[[str], str]
    known: frozenset[str] = frozenset()
    run_id: str | None = None
    fetches: bool = False
    secret: str = ""

    def knowing(self, *uris: str) -> Reader:
        """Return a reader to which these locations are known as well."""
        return replace(self, known=self.known.union(uris))

    def of_registry(self, uri: str) -> str:
        """Return a location that the registry gave, as a model server reads it.

        Raises:
            Problem: no model server can.
        """
        chosen = self.settings
        return servable(
            uri, chosen.uri_map, chosen.artifact_root, self.run_id, self.readable,
            fetches=self.fetches, secret=self.secret,
        )  # fmt: skip

    def read(self, uri: str, *, opaque: bool = False) -> str:
        """Return what a person wrote, as a model server reads it.

        What only the registry can resolve stays as it is: see :mod:`m2s.engine.locating`. Of what
        is ``opaque``, only the prefix is mapped: nobody knows what reads it.

        Raises:
            Problem: no model server can.
        """
        uri, chosen = uri.strip(), self.settings
        if any(uri == known or uri.startswith(f"{known}/") for known in self.known):
            return uri
        if opaque:
            return map_uri(uri, chosen.uri_map)
        if scheme(uri) in UNRESOLVED:
            return uri
        root = None if is_servable(uri) else chosen.artifact_root
        return servable(
            uri, chosen.uri_map, root, self.run_id, self.readable,
            fetches=self.fetches, secret=self.secret,
        )  # fmt: skip
