"""Reading the ``MLmodel`` file of a model's folder: which flavours, made with which versions.

Its format is MLflow's (mlflow.models.Model.to_yaml): one YAML mapping. The file is looked at for
advice only, so that a store which does not answer, or answers nobody, must not hold up a plan.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from m2s.base import strictyaml
from m2s.domain.versions import MlModel, Unchecked
from m2s.sources.mlflow.artifacts import Store, StoreError, local_path

FILE_NAME = "MLmodel"
_ENVIRONMENT = "environment.tar.gz"
"""What MLServer unpacks, and runs the model in (mlserver, ``env.py``)."""
PATIENCE = 10.0
"""Seconds for one look. Google's and Azure's clients themselves try for one or two minutes."""
_FAILURES = 3
_AGAIN_AFTER = 60.0
"""Seconds for which a store is left alone after so many failures in a row."""

Found = MlModel | Unchecked | None


@dataclass(frozen=True, slots=True)
class _Trouble:
    failures: int
    until: float
    where: str
    last: Unchecked

    def about(self, where: str) -> Unchecked:
        """Return the same trouble with another folder of that store."""
        return Unchecked(self.last.reason.replace(self.where, where))


class Reading:
    """Looks into the stores, each for a bounded time, and at a store that is silent not for long.

    ``patience`` is for one look, in seconds.
    """

    def __init__(
        self, store: Store, patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store, self._patience, self._clock = store, patience, clock
        self._troubles: dict[str, _Trouble] = {}

    def read(self, folder: str) -> Found:
        """Return what :func:`read` does, Unchecked also when it is not done in time."""
        if local_path(folder) is not None:
            return read(self._store, folder)
        place = "://".join(urlsplit(folder)[:2])
        trouble = self._troubles.get(place)
        if trouble and trouble.failures >= _FAILURES and self._clock() < trouble.until:
            return trouble.about(self._store.scrub(folder))
        found, weight = self._in_time(folder)
        if isinstance(found, Unchecked):
            failures = weight + (trouble.failures if trouble else 0)
            until, where = self._clock() + _AGAIN_AFTER, self._store.scrub(folder)
            self._troubles[place] = _Trouble(failures, until, where, found)
        else:
            self._troubles.pop(place, None)
        return found

    def _in_time(self, folder: str) -> tuple[Found, int]:
        """Return what was found, and for how many failures it counts."""
        # A daemon: nobody waits for a storage client that is still trying, not even at exit.
        answer = SimpleQueue[Found]()
        look = threading.Thread(target=lambda: answer.put(read(self._store, folder)), daemon=True)
        look.start()
        try:
            return answer.get(timeout=self._patience), 1
        except Empty:
            where = self._store.scrub(folder)
            silence = f"cannot list {where}: no answer within {self._patience:g} s"
            return Unchecked(silence), _FAILURES


def read(store: Store, folder: str) -> Found:
    """Return what the MLmodel file in ``folder``, a storage URI, says.

    None when the folder was listed and has no such file; Unchecked when it could not be listed or
    read, or is on another machine.
    """
    origin = f"{FILE_NAME} in {store.scrub(folder)}"
    try:
        entries = store.entries(folder)
        names = {entry.path.rpartition("/")[2] for entry in entries}
        if FILE_NAME in names:
            found = parse(store.read(folder, FILE_NAME, origin))
            return replace(found, packed=_ENVIRONMENT in names)
    except StoreError as error:
        return Unchecked(str(error))
    path = local_path(folder)
    if path is not None and not path.exists():
        return Unchecked(f"{store.scrub(folder)} is not on this machine")
    return None


def parse(content: bytes) -> MlModel:
    """Return what an MLmodel file says; one that cannot be made sense of has a ``problem``."""
    try:
        documents = strictyaml.load_all(content)
    except strictyaml.YamlError as error:
        return MlModel(problem=f"line {error.line}: {error.problem}")
    top = documents[0].value if len(documents) == 1 else None
    if not isinstance(top, Mapping) or not isinstance(flavors := top.get("flavors"), Mapping):
        return MlModel(problem="it is no mapping with flavors")
    found = flavors.get("python_function")
    pyfunc = found if isinstance(found, Mapping) else {}
    told = [one.get("serialization_format") for one in flavors.values() if isinstance(one, Mapping)]
    return MlModel(
        tuple(sorted(flavors)),
        _text(top.get("mlflow_version")),
        _text(pyfunc.get("python_version")),
        formats=tuple(sorted({one for one in told if isinstance(one, str)})),
        pickled="python_model" in pyfunc,
    )


def _text(value: Any) -> str:
    # A version such as 3.10 may have been written without quotes.
    return str(value) if isinstance(value, str | float) else ""
