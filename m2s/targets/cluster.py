"""The cluster edge: one Protocol, and behind it a Kubernetes namespace or a folder."""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol, cast

from m2s.base.gate import OPEN, Gate
from m2s.domain.asking import Question, Reply
from m2s.domain.deployments import LiveDeployment
from m2s.domain.happenings import Happening
from m2s.domain.manifests import Manifest
from m2s.domain.rights import Access, Right
from m2s.domain.rollout import Rollout
from m2s.domain.versions import Key, Unchecked
from m2s.objects.body import Body
from m2s.platforms.findings import Look, Seen


class Cluster(Protocol):
    """One namespace's deployments, of each kind that is in use.

    Every method may raise :class:`~m2s.base.errors.ClusterError` when the cluster as a whole cannot
    be read or asked (no server, no credentials, no permission, no CRD, no namespace), and its
    subclass :class:`~m2s.base.errors.ClusterUnavailable` when it does not answer. A refusal of the
    one object at hand is :class:`~m2s.base.errors.Rejected`.
    """

    @property
    def identity(self) -> str:
        """What a saved plan is bound to and a heading shows: the server's URL or ``dir:PATH``."""

    @property
    def namespace(self) -> str:
        """The namespace all objects are in."""

    def list(self, kinds: Collection[str] = ()) -> tuple[LiveDeployment, ...]:
        """Return every deployment of the namespace, anybody's: all of them, or an error.

        Args:
            kinds: which kinds of objects; without any, those in use.
        """

    def unread(self) -> tuple[str, ...]:
        """Return what the last :meth:`list` could not read, a line each; none of it is m2s's."""

    def get(self, key: Key) -> LiveDeployment | None:
        """Return one object; None only when the cluster says that there is none."""

    def preview(self, manifest: Manifest, live: LiveDeployment | None) -> Body:
        """Return the object as :meth:`apply` would leave it, writing nothing.

        Raises :class:`~m2s.base.errors.Rejected` with the cluster's reason when it would be
        refused.
        """

    def apply(
        self, manifest: Manifest, live: LiveDeployment | None, gate: Gate = OPEN
    ) -> LiveDeployment:
        """Write ``manifest`` over ``live``, or create it where ``live`` is None.

        Refuses with :class:`~m2s.base.errors.Conflict` when the object is no longer ``live`` in
        what m2s compares (a mere status update does not count). ``gate`` is asked before each
        attempt: whoever repeats a write may have lost the right to it meanwhile.
        """

    def delete(self, live: LiveDeployment, gate: Gate = OPEN) -> None:
        """Delete exactly this object; one that is gone already is no error.

        Refuses with :class:`~m2s.base.errors.Conflict` when the object is no longer ``live``.
        ``gate`` is asked as by :meth:`apply`.
        """

    def mark(
        self, live: LiveDeployment, marks: Mapping[str, str | None], gate: Gate = OPEN
    ) -> LiveDeployment:
        """Set these annotations, remove those of None, and touch nothing else.

        Refuses with :class:`~m2s.base.errors.Conflict` when the object is no longer ``live``.
        """

    def account(self) -> str:
        """Return whose credentials these are, "" where nobody tells."""

    def ask(self, question: Question, seconds: float) -> Reply:
        """Return what a Service answers to one request within ``seconds``.

        That nobody answers is a reply too; ClusterError: it may not be asked.
        """

    def secret_keys(self, name: str) -> frozenset[str] | Unchecked | None:
        """Return the names of a Secret's data, never the data; None where there is no such Secret.

        :class:`~m2s.domain.versions.Unchecked` when this may not be read, or is no matter of this
        cluster.
        """

    def has_service_account(self, name: str) -> bool | Unchecked:
        """Return whether there is a ServiceAccount, with Unchecked as :meth:`secret_keys`."""

    def look(self, look: Look) -> Seen:
        """Return objects that are not m2s's; Unchecked as :meth:`secret_keys`."""

    def happenings(self, name: str | None = None) -> tuple[Happening, ...] | Unchecked:
        """Return the Events about the object ``name``, or all of m2s's own; () in a folder."""

    def access(self, rights: Iterable[Right]) -> Access:
        """Return what this cluster is, and which of these rights the account does not have."""

    def check_rollout_access(self) -> None:
        """Raise ``ClusterError`` now when ``rollout`` could not work later."""

    def rollout(self, applied: LiveDeployment, before: LiveDeployment | None = None) -> Rollout:
        """Return how far ``applied``, as :meth:`apply` returned it, has come.

        ``before`` is what it was written over, if anything.
        """


def deferred(connect: Callable[[], Cluster]) -> Cluster:
    """Return what ``connect`` returns, called when it is first used, and once.

    So its client is imported while the registry's first answer is awaited. What ``connect`` raises,
    the first use does.
    """
    return cast(Cluster, _Deferred(connect))


class _Deferred:
    def __init__(self, connect: Callable[[], Cluster]) -> None:
        self._connect, self._connecting = connect, threading.Lock()
        self._cluster: Cluster | None = None

    def __getattr__(self, name: str) -> Any:
        with self._connecting:
            if self._cluster is None:
                self._cluster = self._connect()
        return getattr(self._cluster, name)
