"""A folder as a cluster: one YAML file per deployment, for GitOps and for trying m2s."""

import os
import threading
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from m2s.base.errors import ClusterError, Conflict, Rejected
from m2s.base.gate import OPEN, Gate
from m2s.domain.asking import Question, Reply
from m2s.domain.deployments import LiveDeployment
from m2s.domain.happenings import Happening
from m2s.domain.manifests import Manifest
from m2s.domain.rights import Access, Right
from m2s.domain.rollout import Rollout
from m2s.domain.versions import Key, Unchecked
from m2s.objects.body import Body, comparable, digest, marked
from m2s.objects.yaml_writer import dump
from m2s.platforms import catalogue
from m2s.platforms.findings import Look
from m2s.targets.folder.files import Files, without_servers_fields
from m2s.targets.names import namespace_name


class FolderCluster:
    """The files of ``PATH/NAMESPACE``; implements :class:`~m2s.targets.cluster.Cluster`.

    A deployment is ``NAME.yaml``, a document for each object that it is stored as, replaced
    atomically and wholly ours: what the manifest leaves out is not kept. Other files are read,
    never written. A folder that does not exist is an empty cluster; the first apply makes it. Safe
    to use from several threads.
    """

    def __init__(self, path: str | Path, namespace: str | None) -> None:
        """Raise :class:`~m2s.base.errors.UsageError` when ``namespace`` is no namespace's name.

        None is ``default``.
        """
        self._path = Path(path)
        self._namespace = namespace_name(namespace or "default")
        self._files = Files(self._path / self._namespace, self._namespace)
        self._lock = threading.Lock()

    @property
    def identity(self) -> str:
        """``dir:PATH``."""
        return f"dir:{self._path}"

    @property
    def namespace(self) -> str:
        """The name of the folder in PATH, which all objects are in."""
        return self._namespace

    def list(self, kinds: Collection[str] = ()) -> tuple[LiveDeployment, ...]:
        """Return every deployment in the folder's files, ordered by name.

        Raises :class:`~m2s.base.errors.ClusterError` naming the file, and the line, of m2s's own
        that cannot be read.
        """
        with self._lock:
            found = self._files.scan()
        lives = [each.live for each in found.values() if not kinds or each.live.key.kind in kinds]
        return tuple(sorted(lives, key=lambda live: live.key))

    def unread(self) -> tuple[str, ...]:
        """Return what the last listing could not read and left alone, as it is not m2s's."""
        return self._files.unread

    def get(self, key: Key) -> LiveDeployment | None:
        """Return one object; None when no file has it."""
        with self._lock:
            return self._get(key)

    def preview(
        self,
        manifest: Manifest,
        live: LiveDeployment | None,  # noqa: ARG002 - the file is wholly ours: nothing is merged
    ) -> Body:
        """Return what :meth:`apply` would write: the manifest, without any server's fields."""
        with self._lock:
            self._ours_to_write(manifest.key)
        return _content(manifest.body)

    def apply(
        self,
        manifest: Manifest,
        live: LiveDeployment | None,
        gate: Gate = OPEN,  # noqa: ARG002 - nothing is written twice
    ) -> LiveDeployment:
        """Write the file; see :class:`~m2s.targets.cluster.Cluster`.

        A file that moved meanwhile, but to exactly what would be written, is no conflict.
        """
        text = _text(catalogue.of(manifest.key).stored(manifest.body))
        with self._lock:
            now = self._ours_to_write(manifest.key)
            if now is None or now.digest != digest(comparable(_content(manifest.body))):
                _check_unmoved(now, live)
            if now is None or _text(now.stored) != text:
                self._files.replace(manifest.key, text)
            written = self._get(manifest.key)
        if written is None:
            raise Conflict(f"{self._files.file(manifest.key)} was deleted at once: plan again")
        return written

    def delete(self, live: LiveDeployment, gate: Gate = OPEN) -> None:  # noqa: ARG002 - the same
        """Delete the file; see :class:`~m2s.targets.cluster.Cluster`."""
        with self._lock:
            now = self._ours_to_write(live.key)
            if now is not None:
                _check_unmoved(now, live)
                self._files.remove(live.key)

    def mark(
        self,
        live: LiveDeployment,
        marks: Mapping[str, str | None],
        gate: Gate = OPEN,  # noqa: ARG002 - as in apply
    ) -> LiveDeployment:
        """Write the file with other annotations; see :class:`~m2s.targets.cluster.Cluster`."""
        with self._lock:
            now = self._ours_to_write(live.key)
            if now is None:
                raise Conflict("it was deleted since the plan was made: plan again")
            _check_unmoved(now, live)
            body = marked(_content(now.body), marks)
            self._files.replace(live.key, _text(catalogue.of(live.key).stored(body)))
            return self._get(live.key) or live

    def account(self) -> str:
        """Return nothing: a folder asks nobody for a name."""
        return ""

    def ask(self, question: Question, seconds: float) -> Reply:  # noqa: ARG002 - the Protocol's
        """Refuse: nothing that is in a folder serves."""
        raise Rejected(f"{question.service} is in a folder, where nothing serves")

    def secret_keys(self, name: str) -> Unchecked:  # noqa: ARG002 - the Protocol's
        """Nobody can tell: Secrets are in the cluster that the folder is applied to."""
        return Unchecked("")

    def happenings(self, name: str | None = None) -> tuple[Happening, ...]:  # noqa: ARG002 - the Protocol's
        """Return nothing: nobody reports anything of files."""
        return ()

    def has_service_account(self, name: str) -> Unchecked:  # noqa: ARG002 - the Protocol's
        """Nobody can tell: ServiceAccounts are in the cluster that the folder is applied to."""
        return Unchecked("")

    def look(self, look: Look) -> Unchecked:  # noqa: ARG002 - the Protocol's
        """Nobody can tell: the cluster that the folder is applied to has them."""
        return Unchecked("")

    def access(self, rights: Iterable[Right]) -> Access:
        """Return whether the folder may be written, and why it cannot be read if it cannot."""
        try:
            self.list()
        except ClusterError as error:
            return Access(missing=frozenset(rights), problems=(str(error),))
        folder = self._files.folder.absolute()
        place = next(path for path in (folder, *folder.parents) if path.exists())
        if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
            return Access()
        missing = frozenset(right for right in rights if right.verb != "read")
        problem = f"{place} cannot be written: allow it, or correct --target dir:PATH"
        return Access(missing=missing, problems=(problem,))

    def check_rollout_access(self) -> None:
        """Nothing is needed: a folder rolls nothing out."""

    def rollout(
        self,
        applied: LiveDeployment,  # noqa: ARG002 - the Protocol's
        before: LiveDeployment | None = None,  # noqa: ARG002 - the Protocol's
    ) -> Rollout:
        """Return that it serves: a folder has no status; whoever applies it has."""
        return Rollout.serves()

    def _get(self, key: Key) -> LiveDeployment | None:
        found = self._files.find(key)
        return found.live if found else None

    def _ours_to_write(self, key: Key) -> LiveDeployment | None:
        """Return the object as it is now, or refuse when its file is not m2s's to replace."""
        file, found = self._files.file(key), self._files.find(key)
        if found is not None and found.held:
            raise Rejected(found.held)
        if found is None and os.path.lexists(file):
            raise Rejected(f"{file} holds something else than {key.kind} {key}: move it away")
        return found.live if found else None


def _text(parts: Iterable[Body]) -> bytes:
    return dump(*map(_content, parts))


def _content(body: Body) -> dict[str, Any]:
    metadata = without_servers_fields(body["metadata"])
    rest = {key: value for key, value in body.items() if key != "status"}
    return {**rest, "metadata": metadata}


def _check_unmoved(now: LiveDeployment | None, seen: LiveDeployment | None) -> None:
    if seen is None and now is not None:
        raise Conflict("it was created by somebody else since the plan was made: plan again")
    if seen is not None and now is None:
        raise Conflict("it was deleted since the plan was made: plan again")
    if seen is not None and now is not None and now.digest != seen.digest:
        raise Conflict("it changed since the plan was made: plan again")
