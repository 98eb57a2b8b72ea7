"""A namespace's folder of YAML files: reading the deployments in it, replacing one file whole."""

import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISDIR
from typing import Any

from m2s.base import strictyaml
from m2s.base.errors import ClusterError
from m2s.domain.deployments import LiveDeployment
from m2s.domain.resource import Resource
from m2s.domain.versions import Key
from m2s.platforms import catalogue
from m2s.targets.names import object_name

_SERVERS_OWN = frozenset({
    "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation",
    "managedFields", "resourceVersion", "selfLink", "uid",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Found:
    """A deployment in a file; ``held`` says why the file is not m2s's to replace, if it is not."""

    live: LiveDeployment
    file: Path
    held: str


class Files:
    """The files of one folder. Every trouble with one is a ClusterError that names it."""

    def __init__(self, folder: Path, namespace: str) -> None:
        self.folder = folder
        self._namespace = namespace
        self._read: dict[Path, tuple[object, tuple[Found, ...], str]] = {}
        self._places: dict[Key, Path] = {}
        self._seen: int | None = None
        self.unread: tuple[str, ...] = ()
        """Which files the last scan could not read, and why; they are not m2s's."""

    def file(self, key: Key) -> Path:
        """Return where an object's file is; Rejected when its name would lead elsewhere."""
        return self.folder / _own(replace(key, name=object_name(key.name)))

    def scan(self) -> Mapping[Key, Found]:
        """Return every deployment in the folder; empty when there is no folder."""
        seen, files = self._changed(), self._files()
        everything: dict[Key, Found] = {}
        for file in files:
            for found in self._deployments(file):
                twin = everything.setdefault(found.live.key, found)
                if twin is not found and (twin.live.owner or found.live.owner):
                    raise ClusterError(
                        f"{found.live.key.kind} {found.live.key} is in {twin.file} and in {file}: "
                        "remove one of them"
                    )
        self._places = {key: found.file for key, found in everything.items()}
        known = (self._read.get(file) for file in files)
        self.unread = tuple(each[2] for each in known if each and each[2])
        self._seen = seen
        return everything

    def find(self, key: Key) -> Found | None:
        """Return one deployment as it is now.

        It is looked for where m2s keeps it; the other files are read only once, and again when
        somebody put a file into the folder or took one away.
        """
        found = self._in(self.file(key), key)
        if found is None and self._seen != self._changed():
            self.scan()
        place = self._places.get(key)
        return found or (self._in(place, key) if place else None)

    def replace(self, key: Key, content: bytes) -> None:
        """Put ``content`` in place of an object's file at once, never in part."""
        file = self.file(key)
        temporary = self.folder / f".{file.name}.{secrets.token_hex(4)}.tmp"
        with naming(file), self._own_change():
            self.folder.mkdir(parents=True, exist_ok=True)
            for left_over in self.folder.glob(f".{file.name}.*.tmp"):
                left_over.unlink(missing_ok=True)  # of a run that was killed
            try:
                with temporary.open("xb") as stream:
                    stream.write(content)
                    stream.flush()
                    os.fsync(stream.fileno())
                temporary.replace(file)
            finally:
                temporary.unlink(missing_ok=True)
            self._places[key] = file

    def remove(self, key: Key) -> None:
        """Delete an object's file, if it is there."""
        file = self.file(key)
        with naming(file), self._own_change():
            file.unlink(missing_ok=True)

    @contextmanager
    def _own_change(self) -> Iterator[None]:
        """Do not take what m2s does itself for somebody else's change of the folder."""
        undisturbed = self._seen == self._changed()
        yield
        if undisturbed:
            self._seen = self._changed()

    def _changed(self) -> int:
        """Return when the folder last got or lost a file; 0 when there is no folder."""
        with naming(self.folder):
            try:
                return self.folder.stat().st_mtime_ns
            except FileNotFoundError:
                return 0

    def _in(self, file: Path, key: Key) -> Found | None:
        return next((f for f in self._deployments(file) if f.live.key == key), None)

    def _files(self) -> list[Path]:
        with naming(self.folder):
            try:
                files = sorted(self.folder.iterdir())
            except FileNotFoundError:
                return []
        kinds = (".yaml", ".yml", ".json")
        return [file for file in files if file.suffix in kinds and not file.name.startswith(".")]

    def _deployments(self, file: Path) -> tuple[Found, ...]:
        """Return a file's deployments; one that has not changed is not read again."""
        with naming(file):
            try:
                stat = file.stat()
            except FileNotFoundError:
                if file.is_symlink():
                    raise
                return ()  # deleted since the folder was listed
            if S_ISDIR(stat.st_mode):
                return ()
            version = stat.st_mtime_ns, stat.st_size, stat.st_ino
            known = self._read.get(file)
            if known is None or known[0] != version:
                known = version, *self._parsed(file, file.read_bytes())
                self._read[file] = known
        return known[1]

    def _parsed(self, file: Path, content: bytes) -> tuple[tuple[Found, ...], str]:
        """Return the deployments, or why a file that is somebody else's cannot be read."""
        try:
            return tuple(self._parse(file, content)), ""
        except ClusterError as error:
            # A list that lacks one of ours is none (law 4); what is nobody's of ours is not listed.
            kinds = (resource.kind.encode() for resource in catalogue.every())
            if b"m2s.io/" in content and any(kind in content for kind in kinds):
                raise
            return (), f"{error}; it is not m2s's, and left alone"

    def _parse(self, file: Path, content: bytes) -> Iterator[Found]:
        try:
            documents = strictyaml.load_all(content)
        except strictyaml.YamlError as error:
            raise ClusterError(f"{file}, {error}") from error
        version = hashlib.sha256(content).hexdigest()[:16]
        for document in documents:
            resource = _kind(document, catalogue.every())
            if resource is None:
                continue
            body = self._body(document, file, version)
            if body is None:
                continue
            key = Key(self._namespace, body["metadata"]["name"], resource.kind)
            companions = catalogue.companions(resource.kind)
            kinds = [each for each in documents if _kind(each, companions)]
            beside = [self._body(each, file, version) for each in kinds]
            held = _held(file, key, len(documents) - len(kinds))
            yield Found(catalogue.live(key, body, tuple(filter(None, beside))), file, held)

    def _body(
        self, document: strictyaml.Document, file: Path, version: str
    ) -> dict[str, Any] | None:
        """Return an object of the folder's namespace, None for one of another."""
        metadata = _metadata(document, file)
        if metadata.get("namespace", self._namespace) != self._namespace:
            return None
        return {**document.value, "metadata": {**metadata, "resourceVersion": version}}


@contextmanager
def naming(file: Path) -> Iterator[None]:
    """Turn what the operating system says into a ClusterError that names the file."""
    try:
        yield
    except OSError as error:
        where, reason = error.filename or file, (error.strerror or str(error)).lower()
        raise ClusterError(f"{where}: {reason}: correct --target dir:PATH") from error


def without_servers_fields(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``metadata`` without what only an API server writes."""
    return {key: value for key, value in metadata.items() if key not in _SERVERS_OWN}


def _kind(document: strictyaml.Document, among: Iterable[Resource]) -> Resource | None:
    """Return which of some kinds a document is, None for any other object."""
    value = document.value
    if not isinstance(value, dict):
        return None
    told = value.get("kind"), str(value.get("apiVersion")).partition("/")[0]
    kinds = (each for each in among if (each.kind, each.group or each.version) == told)
    return next(kinds, None)


def _own(key: Key) -> str:
    """Return the name of an object's file; a kind other than the default one is a part of it."""
    first = catalogue.resources()[0].kind
    return f"{key.name}.yaml" if key.kind == first else f"{key.name}.{key.kind.lower()}.yaml"


def _metadata(document: strictyaml.Document, file: Path) -> dict[str, Any]:
    """Return the metadata, or say in which line it is none that m2s could compare."""
    metadata = document.value.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        line = document.line("metadata", "name")
        kind = document.value["kind"]
        raise ClusterError(f"{file}, line {line}: a {kind} needs a metadata.name")
    for field in ("labels", "annotations"):
        texts = metadata.get(field) or {}
        if not isinstance(texts, dict):
            line = document.line("metadata", field)
            raise ClusterError(f"{file}, line {line}: metadata.{field} must be a mapping")
        wrong = next((name for name, text in texts.items() if not isinstance(text, str)), None)
        if wrong is not None:
            line = document.line("metadata", field, wrong)
            raise ClusterError(f"{file}, line {line}: {wrong} must be text: put it in quotes")
    return without_servers_fields(metadata)


def _held(file: Path, key: Key, documents: int) -> str:
    own, what = _own(key), f"{key.kind} {key}"
    if documents > 1:
        return f"{file} holds {documents} documents: move {what} to a file of its own, {own}"
    return "" if file.name == own else f"{file} holds {what}: rename it to {own}"
