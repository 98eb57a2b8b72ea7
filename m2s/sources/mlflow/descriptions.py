"""Where versions lie and what describes them: looked up once, and kept for the next run.

A version's files are written before it is registered, and its record has a stamp of its last
change: as long as that is the same, its locations and its ``deploy.yaml`` are not fetched again.
That there is no ``deploy.yaml`` is believed of the model's folder only. To the run it may be
logged at any time, so there it is looked for each time.
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from m2s.base import mask, strictyaml
from m2s.domain.asking import Example
from m2s.domain.versions import DeployFile, Description, MlModel, ModelVersion, Unchecked
from m2s.sources.mlflow import client as mlflow
from m2s.sources.mlflow import examples, mlmodel
from m2s.sources.mlflow.artifacts import Store
from m2s.sources.mlflow.cache import Cache
from m2s.sources.mlflow.locations import model_folder, run_root

_FORMAT = "2"
"""Of what is kept; another one is another key."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """What was found of a version. ``file`` is None where there was none, or nobody looked.

    ``run_uri`` is the root of its run's artifacts, None where nobody looked for that either.
    ``near`` names what may have been meant for a file.
    """

    uri: str
    run_uri: str | None = None
    file: DeployFile | None = None
    near: str = ""


class Descriptions:
    """The descriptions of one registry's versions.

    ``registry`` tells them from those of another in the ``cache``, which keeps what was found (None
    keeps nothing); ``patience`` is in seconds, for a look at an MLmodel file.
    """

    def __init__(
        self,
        client: mlflow.MlflowClient,
        store: Store,
        registry: str,
        cache: Cache | None,
        patience: float = mlmodel.PATIENCE,
    ) -> None:
        self._client, self._store = client, store
        self._looks = mlmodel.Reading(store, patience)
        self._registry, self._cache = registry, cache
        self._known: dict[tuple[str, ...], Recalled] = {}
        self._keys: dict[str, tuple[str, ...]] = {}
        self._mlmodels: dict[str, MlModel] = {}

    def warm(self, versions: Iterable[ModelVersion]) -> None:
        """Read at once what was kept of some versions: by many threads it would take longer."""
        if self._cache is None:
            return
        for key in map(self._key, versions):
            if known := self._recall(key):
                self._known[key] = known
                self._remember(known, key)
                if kept := self._get(key, "mlmodel"):
                    self._take(known.uri, _told(_mlmodel_of, kept))

    def find(self, version: ModelVersion, *, read: bool, again: bool = False) -> Description:
        """Return how a version wants to be deployed; see :class:`m2s.sources.source.Registry`.

        ``again``: nothing that was found before counts. MlflowException: MLflow could not be asked;
        StoreError: a file or a location could not be read.
        """
        key = self._key(version)
        known = None if again else self._known.get(key) or self._recall(key)
        if known is None or (read and not known.file):
            found = self._look(version, known, read=read)
            if found != known:
                self._keep(key, found)
            known = found
        self._remember(known, key)
        if not read:
            return Description(known.uri, None)
        return Description(known.uri, known.file, known.near)

    def mlmodel(self, folder: str) -> MlModel | Unchecked | None:
        """Return what a folder's MLmodel file says; what was found is not read again."""
        found: MlModel | Unchecked | None = self._mlmodels.get(folder)
        key = self._keys.get(folder, ())
        if found is None and (kept := self._get(key, "mlmodel")):
            found = _told(_mlmodel_of, kept)
        if found is None:
            found = self._looks.read(folder)
            if isinstance(found, MlModel):
                self._put(key, "mlmodel", {**_fields(found), "flavors": list(found.flavors)})
        self._take(folder, found)
        return found

    def example(self, folder: str) -> Example | Unchecked | None:
        """Return the example in a folder; a model's data is kept nowhere."""
        return examples.read(self._store, folder)

    def _remember(self, known: Recalled, key: tuple[str, ...]) -> None:
        self._keys[known.uri] = max(key, self._keys.get(known.uri, ()))

    def _take(self, folder: str, found: MlModel | Unchecked | None) -> None:
        if isinstance(found, MlModel):
            self._mlmodels[folder] = found

    def _look(self, version: ModelVersion, known: Recalled | None, *, read: bool) -> Recalled:
        folder = known.uri if known else model_folder(self._client, version)
        if not read:
            return Recalled(folder)
        looked = known is not None and known.run_uri is not None
        run = known.run_uri if known else None
        if not run:
            run = run_root(self._client, version.run_id)
        file, near = self._store.find(version.run_id or "", run, folder, again=looked)
        before = known.near if known and file is None else ""
        return Recalled(folder, run, file, near or before)

    def _key(self, version: ModelVersion) -> tuple[str, ...]:
        """Return what tells this state of a version from any other; () where nothing does."""
        if not version.updated:
            return ()
        number, stamp = str(version.version), str(version.updated)
        run = version.run_id or ""
        return (_FORMAT, self._registry, version.model, number, stamp, run, version.source)

    def _recall(self, key: tuple[str, ...]) -> Recalled | None:
        kept = self._get(key, "description")
        return _told(_known_of, kept) if kept else None

    def _keep(self, key: tuple[str, ...], known: Recalled) -> None:
        if _is_fit(known):
            file = known.file and {
                "origin": known.file.origin,
                "content": base64.b64encode(known.file.content).decode(),
            }
            self._put(key, "description", {**_fields(known), "file": file})

    def _get(self, key: tuple[str, ...], kind: str) -> Mapping[str, Any] | None:
        return self._cache.get(kind, *key) if self._cache and key else None

    def _put(self, key: tuple[str, ...], kind: str, value: Mapping[str, Any]) -> None:
        if self._cache and key:
            self._cache.put(value, kind, *key)


def _fields(value: Any) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _told(read: Callable[[Mapping[str, Any]], Any], kept: Mapping[str, Any]) -> Any:
    """Return what was kept, None where that cannot be made out."""
    try:
        return read(kept)
    except (KeyError, TypeError, binascii.Error):
        return None


def _known_of(kept: Mapping[str, Any]) -> Recalled:
    file = kept["file"]
    content = DeployFile(file["origin"], base64.b64decode(file["content"])) if file else None
    return Recalled(kept["uri"], kept["run_uri"], content, kept.get("near", ""))


def _mlmodel_of(kept: Mapping[str, Any]) -> MlModel:
    values: Any = {k: tuple(v) if isinstance(v, list) else v for k, v in kept.items()}
    return MlModel(**values)


def _is_fit(known: Recalled) -> bool:
    """Whether it may be written to a disk: there is no secret in it (law 7)."""
    try:
        text = known.file.content.decode() if known.file else ""
        values = [document.value for document in strictyaml.load_all(text)]
    except (UnicodeDecodeError, strictyaml.YamlError):
        return False
    plain = mask.value(values, (mask.EVERYTHING,)) == values
    return plain and not any(map(mask.carries_secret, (known.uri, known.run_uri or "", text)))
