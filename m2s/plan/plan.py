"""Pure: a Plan, what it counts, and the safety checks on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from m2s.base.errors import Refused
from m2s.base.wording import told
from m2s.domain.budget import MaxDelete
from m2s.domain.manifests import Skipped
from m2s.domain.scope import Scope
from m2s.domain.versions import Selector, Served
from m2s.plan import claims
from m2s.plan.changes import Action, Blocked, Change, Create, Delete, Unchanged, Update, loses


@dataclass(frozen=True)
class Plan:
    """Everything one run would do, complete before anything is written (law 1).

    Counted by owner: ``owned`` our objects in scope; ``offered`` the versions that the owner's
    selectors name in the whole registry, before ``--model`` narrows them (None: not asked).
    ``unchecked`` says what preflight could not look at, and why. ``untemplated``, where templates
    are missing of which deployments are here, says so. ``show_env`` names the environment variables
    and arguments whose values may be shown (law 7). ``doubt`` says why the registry does not look
    like the one that the deployments come from, unless that was ``accepted``.
    """

    registry: str
    target: str
    namespace: str
    selectors: tuple[Selector, ...]
    scope: Scope
    changes: tuple[Change, ...]
    skipped: tuple[Skipped, ...] = ()
    owned: Mapping[str, int] = field(default_factory=dict)
    offered: Mapping[str, int] | None = None
    unchecked: tuple[str, ...] = ()
    untemplated: str | None = None
    show_env: tuple[str, ...] = ()
    doubt: str = ""
    accepted: bool = False

    def count(self, action: Action) -> int:
        """How many changes are of one kind."""
        return sum(change.action is action for change in self.changes)

    @property
    def pending(self) -> bool:
        """Whether anything would be written or deleted."""
        return any(isinstance(change, Create | Update | Delete) for change in self.changes)

    @property
    def doubtful(self) -> bool:
        """Whether a source looks as if it were gone, so that nothing at all may be written."""
        return bool(self.emptied or self.untemplated or self.doubt)

    @property
    def losing(self) -> tuple[Delete | Update, ...]:
        """What ends serving something: the deletions, and the updates that take over a name."""
        return tuple(
            each for each in self.changes if isinstance(each, Delete | Update) and loses(each)
        )

    def without_takeovers(self) -> Plan:
        """Return the plan of a run that deletes nothing: no name passes to another model."""
        kept = claims.untaken(self.changes, lambda each: claims.allowed(each.manifest))
        return replace(self, changes=kept)

    @property
    def emptied(self) -> tuple[str, ...]:
        """The owners whose selectors name nothing any more, while something of theirs is here."""
        offered = self.offered
        if offered is None:
            return ()
        return tuple(owner for owner, count in self.owned.items() if count and not offered[owner])

    def refusal(self, max_delete: MaxDelete) -> str | None:
        """Return why deleting would be refused (law 5), or None where it would not."""
        if question := self.untemplated or self.doubt:
            return question
        for owner in self.emptied:
            return (
                f"the registry has nothing for {owner} any more, while {self.owned[owner]} "
                "deployed here come from it; if that is meant, `m2s prune --all` removes them"
            )
        deletions, owned = len(self.losing), sum(self.owned.values())
        if asks := self._vanished(owned):
            return asks
        if not max_delete.allows(deletions, owned):
            return (
                f"{deletions} of {owned} deployments would be {self._lost}, over --max-delete "
                f"{max_delete}; `--max-delete {deletions}` allows it"
            )
        return None

    @property
    def _lost(self) -> str:
        handed = sum(isinstance(each, Update) for each in self.losing)
        return "deleted or handed to another model" if handed else "deleted"

    def _vanished(self, owned: int) -> str | None:
        """Ask whether it is meant that the registry lost half of the models, or more."""
        gone = [each.live for each in self.losing if (lost := loses(each)) and lost.gone]
        if self.accepted or len(gone) < 2 or 2 * len(gone) < owned:
            return None
        names = told(one.model for live in gone for one in live.served)
        return (
            f"{len(gone)} of the {owned} deployments serve models that the registry no longer "
            f"has ({names}); check that --tracking-uri names the right registry, and that it is "
            "complete; if that is meant, --accept-registry deletes them"
        )

    def raise_if_unsafe(self, max_delete: MaxDelete, *, deleting: bool) -> None:
        """Raise :class:`~m2s.base.errors.Refused` when a safety check says no.

        Without ``deleting`` only an empty source is a question: nothing else can be lost.
        """
        refusal = self.refusal(max_delete)
        if refusal and (deleting or self.doubtful):
            raise Refused(refusal)

    def only_deletions(self) -> Plan:
        """Return the part that ``prune`` is about."""
        # A renamed deployment is deleted only once its successor is there.
        kept = tuple(
            change
            for change in self.changes
            if isinstance(change, Delete | Blocked)
            or brings(change)
            or (isinstance(change, Unchanged) and change.reason)
        )
        return replace(self, changes=kept, skipped=())


def brings(change: Change) -> bool:
    """Whether an object serves its model only once this change is carried out."""
    if isinstance(change, Update):
        there = {one.model for one in change.live.served}
        return any(one.model not in there for one in change.manifest.models)
    return isinstance(change, Create)


def summary(plan: Plan) -> str:
    """Return the count line that ends every plan."""
    words = {
        Action.CREATE: "to create", Action.UPDATE: "to update", Action.DELETE: "to delete",
        Action.UNCHANGED: "unchanged", Action.BLOCKED: "blocked",
    }  # fmt: skip
    parts = [
        f"{plan.count(action)} {word}"
        for action, word in words.items()
        if action is not Action.BLOCKED or plan.count(action)
    ]
    parts += [f"{len(plan.skipped)} skipped"] if plan.skipped else []
    return f"Plan: {', '.join(parts)}"


def models_of(change: Change) -> tuple[str, str]:
    """Return the model and the version (decimal, or "") that a change is about, the first one."""
    first = next(iter(served_of(change)), Served("", ""))
    return first.model, first.version


def served_of(change: Change) -> tuple[Served, ...]:
    """Return every version that a change is about: those it brings, else those that are there."""
    match change:
        case Create(manifest=manifest) | Update(manifest=manifest):
            return manifest.served
        case Delete(live=live) | Unchanged(live=live):
            return live.served
        case Blocked(version=version, live=live):
            first = (Served(version.model, str(version.version)),) if version else ()
            known = {one.model for one in first}
            more = tuple(Served(name, "") for name in change.held if name not in known)
            return (*first, *more) or (live.served if live else ())
        case _:
            assert_never(change)
