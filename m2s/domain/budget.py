"""How many deployments a run may delete."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MaxDelete:
    """A deletion budget: at most ``count`` objects or ``percent`` of what is owned, the larger."""

    count: int
    percent: float

    def allows(self, deletions: int, owned: int) -> bool:
        """Whether ``deletions`` of ``owned`` objects are within the budget."""
        return deletions <= max(self.count, owned * self.percent / 100)

    def __str__(self) -> str:
        """As a person would say it."""
        parts = [str(self.count)] if self.count else []
        parts += [f"{self.percent:g} %"] if self.percent else []
        return " or ".join(parts) or "0"
