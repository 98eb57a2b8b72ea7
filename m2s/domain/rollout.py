"""How far a written deployment has come."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """How far a written deployment has come.

    ``serving`` when the written generation, and nothing older, serves: ``message`` then says what
    of it shows nowhere, if anything. ``failed`` when the cluster says that it never will; else
    ``message`` names what it still waits for.
    """

    serving: bool
    failed: bool
    message: str

    @classmethod
    def serves(cls, note: str = "") -> Rollout:
        """The written generation serves, and nothing older."""
        return cls(serving=True, failed=False, message=note)

    @classmethod
    def fails(cls, why: str) -> Rollout:
        """It never will serve."""
        return cls(serving=False, failed=True, message=why)

    @classmethod
    def waits(cls, why: str) -> Rollout:
        """It does not serve yet."""
        return cls(serving=False, failed=False, message=why)
