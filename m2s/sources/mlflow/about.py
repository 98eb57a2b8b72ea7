"""What a server says of itself, for ``m2s check``."""

from __future__ import annotations

from dataclasses import dataclass

from m2s.sources.mlflow import workspaces
from m2s.sources.mlflow.generations import FEATURES, Client, Generation
from m2s.sources.mlflow.server import Server


@dataclass(frozen=True, slots=True)
class About:
    """A server's version, "" where it does not tell it, and what follows from it.

    ``works`` is what it has that not every server has, ``lacks`` says a line each what newer ones
    have; both are () where that is unknown. ``workspaces`` are () for a server without.
    """

    version: str
    works: tuple[str, ...]
    lacks: tuple[str, ...]
    workspaces: tuple[str, ...]


def ask(server: Server, generation: Generation, client: Client) -> About:
    """Return what a server is.

    Raises:
        RegistryError: it cannot be reached.
    """
    known = generation.version or client.knows_no_alias()  # as no server before 2.3 does
    lacks = map(generation.lack, FEATURES if known else ())
    works = tuple(each.name for each in FEATURES if generation.has(each))
    names = workspaces.names(server) if server.is_http else ()
    return About(generation.version, works, tuple(filter(None, lacks)), names)
