"""Single objects of an API server, each written and deleted only as it was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from m2s.base.errors import Conflict, Rejected
from m2s.base.gate import OPEN, Gate
from m2s.base.labels import FIELD_MANAGER, ORDERS_MANAGER
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key
from m2s.objects.body import Body, comparable, digest
from m2s.platforms import catalogue
from m2s.targets.kubernetes import decoder, guards, paths, readable
from m2s.targets.kubernetes.api import APPLY, MERGE, Api
from m2s.targets.kubernetes.failures import Answer, Asked, is_manager_conflict, refusal

_ATTEMPTS = 5


class Objects:
    """Reads, applies and deletes single objects of the kinds of the catalogue.

    With ``force`` a field that another manager owns is taken back; without, writing it is a
    :class:`~m2s.base.errors.Conflict`. Safe to use from several threads.
    """

    def __init__(self, api: Api, *, force: bool) -> None:
        self._api, self._force = api, force

    def get(self, key: Key) -> LiveDeployment | None:
        """Return one object; None only when the server says that there is none of this name."""
        asked = self._asked("get", key)
        answer = self._api.ask("GET", _path(key), asked)
        if answer.ok:
            return _readable(answer.body, key)
        if answer.says_absent(asked.resource, key.name):
            return None
        raise refusal(answer, asked)

    def preview(self, key: Key, body: Body, live: LiveDeployment | None) -> Body:
        """Return what a server-side dry run of :meth:`apply` leaves."""
        force = self._force and live is not None
        answer = self._patch(key, body, force=force, dry_run=True)
        if answer.misfits:
            answer = self._all_misfits(key, body) or answer
        return _readable(self._written(answer, key), key, stored=False).body

    def apply(
        self, key: Key, body: Body, live: LiveDeployment | None, gate: Gate = OPEN
    ) -> LiveDeployment:
        """Write ``body`` over ``live``, or create it; see ``Cluster``.

        An object that moved meanwhile, but to exactly what would be written, is no conflict: it
        is also what a repeated request finds when the first one's answer was lost.
        """
        if live is None:
            return self._create(key, body, gate)
        for _ in range(_ATTEMPTS):
            answer = self._patch(key, guards.pinned(body, live), force=self._force, gate=gate)
            if answer.status != 409 or is_manager_conflict(answer):
                return _staying(_readable(self._written(answer, key), key))
            now = self.get(key)
            if now is not None and guards.same(now, live):
                live = now
            elif now is not None and now.uid == live.uid and self._is_as_wanted(key, body, now):
                return _staying(now)
            else:
                raise guards.moved(now, live)
        raise Conflict("its status moves faster than it can be written: try again")

    def mark(self, body: Body, marks: Mapping[str, str | None], gate: Gate = OPEN) -> None:
        """Set annotations of an object, as it was seen, and remove those of None."""
        metadata = body["metadata"]
        live = LiveDeployment(Key(metadata["namespace"], metadata["name"], body["kind"]), body)
        query, asked = {"fieldManager": ORDERS_MANAGER}, self._asked("patch", live.key, writes=True)
        for _ in range(_ATTEMPTS):
            patch = guards.pinned({"metadata": {"annotations": dict(marks)}}, live)
            answer = self._api.ask(
                "PATCH", _path(live.key), asked,
                query=query, body=patch, content_type=MERGE, gate=gate,
            )  # fmt: skip
            if answer.status != 409:
                self._written(answer, live.key)
                return
            live = guards.unmoved(live, self.get(live.key))
        raise Conflict("its status moves faster than it can be written: try again")

    def delete(self, live: LiveDeployment, gate: Gate = OPEN) -> None:
        """Delete exactly this object and, in the background, what it owns."""
        asked = self._asked("delete", live.key, writes=True)
        path = _path(live.key)
        for _ in range(_ATTEMPTS):
            answer = self._api.ask(
                "DELETE", path, asked, body=guards.delete_options(live), gate=gate
            )
            if answer.ok:
                decoder.expect_deleted(answer, asked, live.uid)
            if answer.ok or answer.says_absent(asked.resource, live.key.name):
                return
            if answer.status != 409:
                raise refusal(answer, asked)
            now = self.get(live.key)
            if now is None:
                return
            live = guards.unmoved(live, now)
        raise Conflict("its status moves faster than it can be deleted: try again")

    def _create(self, key: Key, body: Body, gate: Gate) -> LiveDeployment:
        """Create, or refuse: server-side apply alone would write over what another m2s created."""
        answer = self._patch(key, guards.new(body), force=False, gate=gate)
        if answer.status != 409:
            return _readable(self._written(answer, key), key)
        there = self.get(key)
        if there is None:  # a conflict about something else, such as a quota
            raise refusal(answer, self._asked("patch", key, writes=True))
        if self._is_as_wanted(key, body, _staying(there)):
            return there
        raise Conflict("it was created by somebody else since the plan was made: plan again")

    def _is_as_wanted(self, key: Key, body: Body, now: LiveDeployment) -> bool:
        answer = self._patch(key, body, force=True, dry_run=True)
        return answer.ok and digest(comparable(answer.body)) == now.digest

    def _patch(
        self, key: Key, body: Body, *, force: bool, dry_run: bool = False, gate: Gate = OPEN
    ) -> Answer:
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        query["force"] = "true" if force else "false"
        if dry_run:
            query["dryRun"] = "All"
        path, asked = _path(key), self._asked("patch", key, writes=True)
        return self._api.ask(
            "PATCH", path, asked, query=query, body=body, content_type=APPLY, gate=gate
        )

    def _all_misfits(self, key: Key, body: Body) -> Answer | None:
        """Return a refusal that names every fault; None where one fault is all, or none is told.

        Of several an apply names some, other ones each time. A creation's dry run is decoded and
        validated as a whole, also where the object is there already.
        """
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", "dryRun": "All"}
        path = _path(replace(key, name=""))
        asked = self._asked("create", key)
        answer = self._api.ask("POST", path, asked, query=query, body=body)
        several = answer.status == 422 and len(answer.causes) > 1
        return answer if answer.unknown or several else None

    def _written(self, answer: Answer, key: Key) -> Body:
        if answer.ok:
            return answer.body
        raise refusal(answer, self._asked("patch", key, writes=True))

    def _asked(self, verb: str, key: Key, *, writes: bool = False) -> Asked:
        return Asked(self._api.server, verb, key, catalogue.resource(key).plural, writes)


def _readable(body: Body, key: Key, *, stored: bool = True) -> LiveDeployment:
    live = readable.live(body, catalogue.resource(key), stored=stored)
    if live.fault:
        raise Rejected(f"it cannot be read: {live.fault}")
    return live


def _path(key: Key) -> str:
    return paths.of(catalogue.resource(key), key.namespace, key.name)


def _staying(live: LiveDeployment) -> LiveDeployment:
    """Return ``live``, or refuse to take one for written that is going to be gone."""
    if live.deleting:
        raise Conflict("it is being deleted since the plan was made: plan again")
    return live
