"""How far a written deployment has come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rollout:
    """How far a written deployment has come.

    ``serving`` when the written generation, and nothing older, serves: ``message`` then says what
    of it shows nowhere, if anything. ``failed`` when the cluster says that it never will; else
    ``message`` names what it still waits for.
    """

    serving: bool
    failed: bool
    message: str
