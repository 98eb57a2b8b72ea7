"""A Kubernetes namespace as a cluster: server-side apply and its dry run, and guarded deletes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from m2s.base.errors import ClusterError, Conflict, Rejected
from m2s.base.gate import OPEN, Gate
from m2s.base.labels import FIELD_MANAGER
from m2s.base.names import meant
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest
from m2s.domain.resource import Resource
from m2s.domain.rights import Access, Right
from m2s.domain.rollout import Rollout
from m2s.domain.versions import Key, Unchecked
from m2s.objects.body import Body, comparable, digest
from m2s.platforms import catalogue
from m2s.platforms.common.rollouts import owned_by
from m2s.targets.kubernetes import access, decoder, guards, lookups, pages, paths, readable
from m2s.targets.kubernetes.api import APPLY, Api
from m2s.targets.kubernetes.credentials import log_in
from m2s.targets.kubernetes.failures import Answer, Asked, is_manager_conflict, refusal
from m2s.targets.kubernetes.throttle import Throttle
from m2s.targets.kubernetes.workloads import Workloads
from m2s.targets.names import namespace_name

_ATTEMPTS = 5


def connect(
    namespace: str | None,
    kubeconfig: str | None,
    context: str | None,
    force_conflicts: bool = True,
    request_timeout: float = 30,
    workers: int = 8,
    throttle: Throttle | None = None,
    told: bool = True,
    resources: Iterable[Resource] = (),
) -> KubernetesCluster:
    """Return a namespace of the cluster that the credentials at hand lead to; asks it nothing yet.

    Credentials are those of :func:`~m2s.targets.kubernetes.credentials.log_in`. Without
    ``namespace`` it is the kubeconfig context's, or the pod's own, else ``default``.
    ``request_timeout`` is in seconds and for each attempt; ``workers`` is how many threads may ask
    at once, ``throttle`` how often they may; ``told``: say so when an answer takes long;
    ``resources`` are the kinds in use, by default the default platform's. Raises
    :class:`~m2s.base.errors.ClusterError` without usable credentials and
    :class:`~m2s.base.errors.UsageError` when ``namespace`` cannot be a namespace's name.
    """
    login = log_in(kubeconfig, context)
    chosen = namespace_name(namespace or login.namespace or "default")
    api = Api(
        login.configuration,
        timeout=request_timeout,
        workers=workers,
        log_in=lambda: log_in(kubeconfig, context).configuration,
        throttle=throttle,
        told=told,
    )
    return KubernetesCluster(api, chosen, resources, force_conflicts=force_conflicts)


class KubernetesCluster:
    """The deployments of one namespace; implements :class:`~m2s.targets.cluster.Cluster`.

    With ``force_conflicts`` a field that another manager owns is taken back; without, writing it
    is a :class:`~m2s.base.errors.Conflict`. Safe to use from several threads.
    """

    def __init__(
        self,
        api: Api,
        namespace: str,
        resources: Iterable[Resource] = (),
        *,
        force_conflicts: bool = True,
    ) -> None:
        """``resources`` are the kinds in use, by default the default platform's."""
        self._api = api
        self._resources = tuple(resources) or catalogue.resources()
        self._namespace = namespace
        self._force = force_conflicts
        self._workloads = Workloads(api, namespace)

    @property
    def api(self) -> Api:
        """The API server itself, for what is not about one deployment: watches, Leases."""
        return self._api

    @property
    def identity(self) -> str:
        """The API server's URL, without any password in it."""
        return self._api.server

    @property
    def namespace(self) -> str:
        """The namespace all objects are in."""
        return self._namespace

    def list(self, kinds: Collection[str] = ()) -> tuple[LiveDeployment, ...]:
        """Return every deployment of the namespace, of every page, ordered by name."""
        wanted = tuple(map(catalogue.resource, kinds)) or self._resources
        found = [live for resource in wanted for live in self._listed(resource)]
        if not found:
            self._check_namespace()
        return tuple(sorted(found, key=lambda live: live.key))

    def _listed(self, resource: Resource) -> Iterator[LiveDeployment]:
        asked = Asked(self.identity, "list", Key(self._namespace, ""), resource.plural)
        for body in pages.items(self._api, paths.of(resource, self._namespace), asked):
            yield readable.live(body, resource)

    def unread(self) -> tuple[str, ...]:
        """Return nothing: a server's list is complete, or an error."""
        return ()

    def get(self, key: Key) -> LiveDeployment | None:
        """Return one object; None only when the server says that there is none of this name."""
        asked = self._asked("get", key)
        answer = self._api.ask("GET", _path(key), asked)
        if answer.ok:
            return _readable(answer.body, key)
        if answer.says_absent(asked.resource, key.name):
            return None
        raise refusal(answer, asked)

    def preview(self, manifest: Manifest, live: LiveDeployment | None) -> Body:
        """Return what a server-side dry run of :meth:`apply` leaves."""
        force = self._force and live is not None
        answer = self._patch(manifest.key, manifest.body, force=force, dry_run=True)
        if answer.misfits:
            answer = self._all_misfits(manifest) or answer
        return _readable(self._written(answer, manifest.key), manifest.key, stored=False).body

    def apply(
        self, manifest: Manifest, live: LiveDeployment | None, gate: Gate = OPEN
    ) -> LiveDeployment:
        """Write ``manifest`` over ``live``, or create it; see ``Cluster``.

        An object that moved meanwhile, but to exactly what would be written, is no conflict: it
        is also what a repeated request finds when the first one's answer was lost.
        """
        if live is None:
            return self._create(manifest, gate)
        for _ in range(_ATTEMPTS):
            body = guards.pinned(manifest.body, live)
            answer = self._patch(manifest.key, body, force=self._force, gate=gate)
            if answer.status != 409 or is_manager_conflict(answer):
                return _staying(_readable(self._written(answer, manifest.key), manifest.key))
            now = self.get(manifest.key)
            if now is not None and guards.same(now, live):
                live = now
            elif now is not None and now.uid == live.uid and self._is_as_wanted(manifest, now):
                return _staying(now)
            else:
                raise guards.moved(now, live)
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
            if not guards.same(now, live):
                raise guards.moved(now, live)
            live = now
        raise Conflict("its status moves faster than it can be deleted: try again")

    def secret_keys(self, name: str) -> frozenset[str] | Unchecked | None:
        """Return the names of a Secret's data; None when the server says that there is none."""
        return lookups.secret_keys(self._api, Key(self._namespace, name))

    def has_service_account(self, name: str) -> bool | Unchecked:
        """Return whether there is a ServiceAccount of this name."""
        return lookups.has_service_account(self._api, Key(self._namespace, name))

    def access(self, rights: Iterable[Right]) -> Access:
        """Return what the server says of itself and of this account's rights in the namespace."""
        return access.look(self._api, self._namespace, self._resources, rights)

    def check_rollout_access(self) -> None:
        """Raise :class:`~m2s.base.errors.ClusterError` when Deployments may not be listed here."""
        self._workloads.check()

    def rollout(self, applied: LiveDeployment, before: LiveDeployment | None = None) -> Rollout:
        """Return how far the platform has come with ``applied``, written over ``before``."""
        live = self.get(applied.key)
        if live is None or live.uid != applied.uid:
            return Rollout.fails("it was deleted after it had been applied")
        if live.deleting:
            return Rollout.fails("it is being deleted")
        try:
            made = owned_by(live.uid, self._workloads.deployments(live))
            earlier, pods = before.body if before else None, self._workloads.pods
            platform = catalogue.of(live.key)
            return platform.rollout(live.body, earlier, made, applied.generation, pods)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            why = f"the Deployments of {live.key.name} are not as Kubernetes has them: {error!r}"
            raise ClusterError(why) from error

    def _create(self, manifest: Manifest, gate: Gate) -> LiveDeployment:
        """Create, or refuse: server-side apply alone would write over what another m2s created."""
        body = guards.new(manifest.body)
        answer = self._patch(manifest.key, body, force=False, gate=gate)
        if answer.status != 409:
            return _readable(self._written(answer, manifest.key), manifest.key)
        there = self.get(manifest.key)
        if there is None:  # a conflict about something else, such as a quota
            raise refusal(answer, self._asked("patch", manifest.key, writes=True))
        if self._is_as_wanted(manifest, _staying(there)):
            return there
        raise Conflict("it was created by somebody else since the plan was made: plan again")

    def _is_as_wanted(self, manifest: Manifest, now: LiveDeployment) -> bool:
        answer = self._patch(manifest.key, manifest.body, force=True, dry_run=True)
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

    def _all_misfits(self, manifest: Manifest) -> Answer | None:
        """Return a refusal that names every fault; None where one fault is all, or none is told.

        Of several an apply names some, other ones each time. A creation's dry run is decoded and
        validated as a whole, also where the object is there already.
        """
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", "dryRun": "All"}
        path = _path(replace(manifest.key, name=""))
        asked = self._asked("create", manifest.key)
        answer = self._api.ask("POST", path, asked, query=query, body=manifest.body)
        several = answer.status == 422 and len(answer.causes) > 1
        return answer if answer.unknown or several else None

    def _written(self, answer: Answer, key: Key) -> Body:
        if answer.ok:
            return answer.body
        raise refusal(answer, self._asked("patch", key, writes=True))

    def _check_namespace(self) -> None:
        """Tell an empty namespace from one that is not there; not everybody may read namespaces."""
        asked = Asked(self.identity, "get", Key("", self._namespace), "namespaces")
        answer = self._api.ask("GET", f"/api/v1/namespaces/{self._namespace}", asked)
        if answer.says_absent("namespaces", self._namespace):
            raise ClusterError(f"{refusal(answer, asked)}{self._similar()}")
        if not answer.ok and answer.status != 403:
            raise refusal(answer, asked)

    def _similar(self) -> str:
        """Return the namespaces that may be meant, "" where there are none, or nobody may list."""
        asked = Asked(self.identity, "list", Key("", ""), "namespaces")
        try:
            found = pages.items(self._api, "/api/v1/namespaces", asked)
        except ClusterError:
            return ""
        like = meant(self._namespace, [str(one["metadata"]["name"]) for one in found])
        return f"; {like}" if like.endswith("?") else ""

    def _asked(self, verb: str, key: Key, *, writes: bool = False) -> Asked:
        return Asked(self.identity, verb, key, catalogue.resource(key).plural, writes)


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
