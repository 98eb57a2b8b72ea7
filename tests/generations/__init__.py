"""MLflow servers of several generations, and what m2s can do with each: one table of both.

The scenario in ``tests/sources/test_mlflow_generations.py`` shows on real servers that the table is
true; ``docs/mlflow-servers.md`` has the same one in words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

NO_MLFLOW = "no MLflow server: "
NEWEST = "newest"
"""The generation that the project's own environment has."""


@dataclass(frozen=True)
class Generation:
    """One version of MLflow, the Python that it runs on, and what it offers m2s.

    ``tells``: it answers ``GET /version``. ``at_once``: the versions of several models that changed
    are one request, not one each.
    """

    version: str
    python: str = "3.11"
    tells: bool = True
    aliases: bool = True
    webhooks: bool = True
    at_once: bool = False

    @property
    def is_needed(self) -> bool:
        """Whether no run that has to be whole may go without it."""
        return self.tells


GENERATIONS = (
    Generation("1.11.0", "3.7", tells=False, aliases=False, webhooks=False),
    Generation("1.30.1", "3.10", tells=False, aliases=False, webhooks=False, at_once=True),
    Generation("2.9.2", webhooks=False),
    Generation("2.20.0", webhooks=False),
    Generation("2.22.0", webhooks=False),
    Generation("3.1.4", webhooks=False),
    Generation("3.8.1"),
    Generation(NEWEST, "", at_once=True),
)

_YES = "works"
_ROWS: tuple[tuple[str, Callable[[Generation], str]], ...] = (
    ("stages: plan, apply, prune, rollback, `watch`", lambda _: _YES),
    ("aliases: plan, apply, prune", lambda one: _YES if one.aliases else "none before 2.3"),
    ("tags: pause, image, `m2s.io/…` on versions", lambda _: _YES),
    ("`--write-back`", lambda _: _YES),
    ("`m2s webhook`", lambda one: _YES if one.webhooks else "none before 3.3"),
    ("prompts are left out", lambda _: _YES),
)


def table() -> str:
    """Return what works where, as Markdown."""
    heads = ["", *(one.version for one in GENERATIONS)]
    rows = [[what, *(told(one) for one in GENERATIONS)] for what, told in _ROWS]
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"
