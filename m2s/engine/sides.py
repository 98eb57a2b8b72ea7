"""Everybody whom a plan is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from m2s.base.workers import Workers
from m2s.desired import Memo
from m2s.domain.manifests import Templates
from m2s.domain.scope import Scope
from m2s.settings.groups import Settings
from m2s.sources.source import Registry, TemplateSource
from m2s.targets.cluster import Cluster


@dataclass(frozen=True, kw_only=True)
class Sides:
    """Both sides, and what a run works by.

    Attributes:
        registry: where versions come from.
        cluster: where they are served.
        settings: the options of the run.
        workers: ask several things at a time.
        folder: the folder of templates, where there is one.
        templates: what it has.
        memo: keeps what need not be worked out again.
    """

    registry: Registry
    cluster: Cluster
    settings: Settings
    workers: Workers
    folder: TemplateSource | None = None
    templates: Templates = field(default_factory=lambda: Templates(""))
    memo: Memo | None = None

    @property
    def scope(self) -> Scope:
        """Whose objects the run may touch."""
        return Scope(self.settings.owners, self.settings.models)
