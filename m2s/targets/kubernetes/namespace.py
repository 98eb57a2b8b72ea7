"""A Kubernetes namespace as a cluster: server-side apply and its dry run, and guarded deletes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from m2s.base.errors import ClusterError
from m2s.base.gate import OPEN, Gate
from m2s.base.names import meant
from m2s.domain.asking import Question, Reply
from m2s.domain.deployments import LiveDeployment
from m2s.domain.happenings import Happening
from m2s.domain.manifests import Manifest
from m2s.domain.resource import Resource
from m2s.domain.rights import Access, Right
from m2s.domain.rollout import Rollout
from m2s.domain.versions import Key, Unchecked
from m2s.objects.body import Body, controlled, has_marks
from m2s.platforms import catalogue
from m2s.platforms.common.rollouts import owned_by
from m2s.platforms.findings import Look, Seen
from m2s.targets.kubernetes import access, happenings, lookups, pages, paths, readable
from m2s.targets.kubernetes.api import Api
from m2s.targets.kubernetes.bundles import Bundles
from m2s.targets.kubernetes.credentials import log_in
from m2s.targets.kubernetes.failures import Asked, refusal
from m2s.targets.kubernetes.objects import Objects
from m2s.targets.kubernetes.services import Services
from m2s.targets.kubernetes.throttle import Throttle
from m2s.targets.kubernetes.workloads import Workloads
from m2s.targets.names import namespace_name


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
    inside = login.inside
    return KubernetesCluster(api, chosen, resources, force_conflicts=force_conflicts, inside=inside)


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
        inside: bool = False,
    ) -> None:
        """``resources`` are the kinds in use, by default the default platform's.

        ``inside``: this process is in a pod of the cluster, where Services have addresses.
        """
        self._api = api
        self._resources = tuple(resources) or catalogue.resources()
        self._namespace = namespace
        self._objects = Objects(api, force=force_conflicts)
        self._bundles = Bundles(api, self._objects, namespace)
        self._workloads = Workloads(api, namespace)
        self._asking = Services(api, namespace, inside=inside)

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
        """Return every deployment of the namespace, of every page, ordered by name.

        What another object controls is not one, whatever labels it has: they may be copies.
        """
        wanted = tuple(map(catalogue.resource, kinds)) or self._resources
        found = [live for resource in wanted for live in self._listed(resource)]
        if not found:
            self._check_namespace()
        return tuple(sorted(found, key=lambda live: live.key))

    def _listed(self, resource: Resource) -> Iterable[LiveDeployment]:
        built_in = resource.group == "apps"
        asked = Asked(self.identity, "list", Key(self._namespace, ""), resource.plural)
        bodies = pages.items(self._api, paths.of(resource, self._namespace), asked)
        lives = [readable.live(b, resource) for b in bodies if not (built_in and controlled(b))]
        kinds = catalogue.companions(resource.kind) if lives else ()
        return self._bundles.joined(lives, kinds) if kinds else lives

    def unread(self) -> tuple[str, ...]:
        """Return nothing: a server's list is complete, or an error."""
        return ()

    def get(self, key: Key) -> LiveDeployment | None:
        """Return one object; None only when the server says that there is none of this name."""
        live, kinds = self._objects.get(key), catalogue.companions(key.kind)
        return next(iter(self._bundles.joined([live], kinds))) if live and kinds else live

    def preview(self, manifest: Manifest, live: LiveDeployment | None) -> Body:
        """Return what a server-side dry run of :meth:`apply` leaves."""
        if live is None and catalogue.resource(manifest.key).group == "apps":
            self._bundles.raise_if_controlled(manifest.key)
        if catalogue.companions(manifest.key.kind):
            return self._bundles.preview(manifest, live)
        return self._objects.preview(manifest.key, manifest.body, live)

    def apply(
        self, manifest: Manifest, live: LiveDeployment | None, gate: Gate = OPEN
    ) -> LiveDeployment:
        """Write ``manifest`` over ``live``, or create it; see ``Cluster``."""
        if catalogue.companions(manifest.key.kind):
            return self._bundles.apply(manifest, live, gate)
        return self._objects.apply(manifest.key, manifest.body, live, gate)

    def delete(self, live: LiveDeployment, gate: Gate = OPEN) -> None:
        """Delete exactly this object and, in the background, what it owns."""
        if live.parts:
            self._bundles.delete(live, gate)
        else:
            self._objects.delete(live, gate)

    def mark(
        self, live: LiveDeployment, marks: Mapping[str, str | None], gate: Gate = OPEN
    ) -> LiveDeployment:
        """Patch the annotations of the object that has m2s's marks; see ``Cluster``."""
        seen = next((one for one in live.stored if has_marks(one)), live.stored[0])
        self._objects.mark(seen, marks, gate)
        return self.get(live.key) or live

    def account(self) -> str:
        """Return whose credentials these are, "" where the server does not tell."""
        return access.account(self._api)

    def ask(self, question: Question, seconds: float) -> Reply:
        """Return what a Service answers: directly in the cluster, else by the server's proxy."""
        return self._asking.ask(question, seconds)

    def secret_keys(self, name: str) -> frozenset[str] | Unchecked | None:
        """Return the names of a Secret's data; None when the server says that there is none."""
        return lookups.secret_keys(self._api, Key(self._namespace, name))

    def has_service_account(self, name: str) -> bool | Unchecked:
        """Return whether there is a ServiceAccount of this name."""
        return lookups.has_service_account(self._api, Key(self._namespace, name))

    def look(self, look: Look) -> Seen:
        """Return objects that are not m2s's, of any namespace or of none."""
        return lookups.objects(self._api, look)

    def happenings(self, name: str | None = None) -> tuple[Happening, ...] | Unchecked:
        """Return the Events about the object ``name``, or all of m2s's own."""
        return happenings.read(self._api, self._namespace, name)

    def access(self, rights: Iterable[Right]) -> Access:
        """Return what the server says of itself and of this account's rights in the namespace."""
        return access.look(self._api, self._namespace, self._resources, rights)

    def check_rollout_access(self) -> None:
        """Raise :class:`~m2s.base.errors.ClusterError` when Deployments may not be listed here."""
        self._workloads.check()

    def rollout(self, applied: LiveDeployment, before: LiveDeployment | None = None) -> Rollout:
        """Return how far the platform has come with ``applied``, written over ``before``."""
        live = self._objects.get(applied.key)
        if live is None or live.uid != applied.uid:
            return Rollout.fails("it was deleted after it had been applied")
        if live.deleting:
            return Rollout.fails("it is being deleted")
        try:
            made = owned_by(live.uid, self._workloads.deployments(live))
            earlier, pods = before.body if before else None, self._workloads.pods
            platform = catalogue.of(live.key)
            body = platform.seen(live.body, applied.parts[1:])
            return platform.rollout(body, earlier, made, applied.generation, pods)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            why = f"the Deployments of {live.key.name} are not as Kubernetes has them: {error!r}"
            raise ClusterError(why) from error

    def _check_namespace(self) -> None:
        """Tell an empty namespace from one that is not there; not everybody may read namespaces."""
        asked = Asked(self.identity, "get", Key("", self._namespace), "namespaces")
        answer = self._api.ask("GET", f"/api/v1/namespaces/{self._namespace}", asked)
        if answer.says_absent("namespaces", self._namespace):
            raise ClusterError(f"{refusal(answer, asked)}{self._similar()}")
        if not answer.ok and answer.status != 403:
            raise refusal(answer, asked)

    def namespaces(self) -> tuple[str, ...]:
        """Return the names of all namespaces; ClusterError: they may not be listed."""
        asked = Asked(self.identity, "list", Key("", ""), "namespaces")
        found = pages.items(self._api, "/api/v1/namespaces", asked)
        return tuple(str(one["metadata"]["name"]) for one in found)

    def _similar(self) -> str:
        """Return the namespaces that may be meant, "" where there are none, or nobody may list."""
        try:
            like = meant(self._namespace, self.namespaces())
        except ClusterError:
            return ""
        return f"; {like}" if like.endswith("?") else ""
