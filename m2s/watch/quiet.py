"""If nothing changed since the last pass, a pass reuses what the last one worked out."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from m2s.domain.manifests import Templates
from m2s.domain.versions import Selector
from m2s.plan.changes import Unchanged
from m2s.sources.source import TemplateSource
from m2s.watch.report import PassReport


class Unmoved(Protocol):
    """A registry that can tell that nothing moved."""

    def unmoved(self, selectors: Iterable[Selector]) -> bool:
        """Begin a pass, and say whether all that was asked before would be answered alike.

        RegistryError: the registry cannot be read.
        """


class Quiet:
    """Whether both sides are as the last complete pass left them.

    The registry is asked. The cluster tells by itself: as long as one watch on our objects lasts,
    no edit of them goes unnoticed. What neither shows, such as a Secret that is gone, waits for
    the registry's resync, when everything is looked at again. ``unbroken`` tells one unbroken
    watch of these ``kinds`` from another; None while there is none.
    """

    def __init__(
        self,
        registry: Unmoved,
        unbroken: Callable[[], object | None],
        templates: TemplateSource | None,
        kinds: Collection[str],
    ) -> None:
        self._registry, self._unbroken, self._folder = registry, unbroken, templates
        self._kinds = kinds
        self._mark: object | None = None
        self._templates: Templates | None = None

    def begin(self) -> None:
        """Note what a complete pass is going to build on, before it reads anything."""
        self._mark = self._unbroken()
        self._templates = self._folder.read() if self._folder else None

    def repeats(self, last: PassReport, selectors: Sequence[Selector]) -> bool:
        """Whether a pass would come to what ``last`` did; raises as :class:`Unmoved` does."""
        return (
            (last.repeats or _is_settled(last, self._kinds))
            and self._mark is not None
            and self._mark == self._unbroken()
            and (self._folder is None or self._folder.read() == self._templates)
            and self._registry.unmoved(selectors)
        )


def _is_settled(report: PassReport, kinds: Collection[str]) -> bool:
    """Whether everything was as wanted, with nothing held, blocked, withheld or left to be done.

    What is of another kind than these is not watched: an edit of it would go unnoticed.

    What somebody's order holds stays so until the order is taken back, which does not go unnoticed.
    """
    return (
        report.result == "success"
        and report.plan is not None
        and all(
            each.key.kind in kinds
            and isinstance(each, Unchanged)
            and (each.ordered or not each.reason)
            for each in report.plan.changes
        )
    )
