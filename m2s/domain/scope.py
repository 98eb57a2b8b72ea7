"""Which objects a run may touch."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass

from m2s.domain.deployments import LiveDeployment


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose objects a run may touch, narrowed to the models it looks at."""

    owners: frozenset[str]
    models: tuple[str, ...] = ()

    def includes_model(self, model: str) -> bool:
        """Whether ``model`` matches a pattern (``*``, ``?``, ``[…]``); no pattern is all."""
        patterns = self.models
        return not patterns or any(fnmatch.fnmatchcase(model, pattern) for pattern in patterns)

    def includes(self, live: LiveDeployment) -> bool:
        """Whether ``live`` is ours to change or delete in this run."""
        if live.owner not in self.owners:
            return False
        names = [one.model for one in live.served] or [""]
        return not self.models or any(map(self.includes_model, names))
