"""What a controller made in a namespace: Deployments, and their pods, if they may be read."""

from __future__ import annotations

from collections.abc import Sequence

from m2s.base.errors import ClusterError, ClusterUnavailable
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key
from m2s.objects.body import Body
from m2s.platforms import catalogue
from m2s.targets.kubernetes import decoder, pages
from m2s.targets.kubernetes.api import Api
from m2s.targets.kubernetes.failures import Asked, refusal
from m2s.targets.names import namespace_name


class Workloads:
    """The Deployments and pods of one namespace; safe to use from several threads."""

    def __init__(self, api: Api, namespace: str) -> None:
        self._api, self._namespace = api, namespace
        self._blind = False

    def check(self) -> None:
        """Raise :class:`~m2s.base.errors.ClusterError` when Deployments may not be listed here."""
        path, asked = self._path("apis/apps/v1", "deployments"), self._asked("deployments")
        answer = self._api.ask("GET", path, asked, query={"limit": "1"})
        if not answer.ok:
            raise refusal(answer, asked)
        decoder.page(answer, asked)

    def deployments(self, live: LiveDeployment) -> Sequence[Body]:
        """Return the Deployments with the labels of those made for an object."""
        chosen = catalogue.of(live.key).related(live.body)
        if not chosen:
            return ()
        path, asked = self._path("apis/apps/v1", "deployments"), self._asked("deployments")
        return pages.items(self._api, path, asked, {"labelSelector": chosen})

    def pods(self, deployment: Body) -> Sequence[Body]:
        """Return the pods that a Deployment selects; none where they cannot be read.

        They only say why something is stuck, so that nobody needs the right to list them.
        """
        labels = (deployment["spec"].get("selector") or {}).get("matchLabels") or {}
        if not labels or self._blind:
            return ()
        chosen = {"labelSelector": ",".join(f"{name}={value}" for name, value in labels.items())}
        try:
            path = self._path("api/v1", "pods")
            return pages.items(self._api, path, self._asked("pods"), chosen)
        except ClusterError as error:
            self._blind = not isinstance(error, ClusterUnavailable)
            return ()

    def _path(self, group: str, resource: str) -> str:
        return f"/{group}/namespaces/{namespace_name(self._namespace)}/{resource}"

    def _asked(self, resource: str) -> Asked:
        return Asked(self._api.server, "list", Key(self._namespace, ""), resource)
