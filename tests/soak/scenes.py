"""What people do with m2s between two real servers, played again and again from the same state."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from kubernetes import client

from tests.kits.kind import GROUP, PLURAL, VERSION
from tests.kits.support import Models, Result, m2s, seldon
from tests.kits.worlds import Proxied
from tests.servers import Recorded
from tests.soak.kinds import Kind, kind_of

State = Mapping[str, dict[str, Any]]
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?")
_AGE = re.compile(r"\b\d+(\.\d+)? ?(ms|s|m|h|seconds?|minutes?)\b")


def plain(text: str) -> str:
    """Return an output without moments, ages and the widths of columns."""
    return re.sub(r"[\s─━-]+", " ", _AGE.sub("A", _MOMENT.sub("T", text)))


def comparable(body: Mapping[str, Any]) -> Any:
    """Return what m2s writes of an object, without moments."""
    metadata = body["metadata"]
    marks = {k: metadata.get(k) for k in ("labels", "annotations", "name")}
    text = yaml.safe_dump({"metadata": marks, "spec": body.get("spec")})
    return yaml.safe_load(_MOMENT.sub("T", text))


@dataclass(frozen=True)
class Scene:
    """One command from one state: ``late`` is after everything was applied."""

    name: str
    argv: tuple[str, ...]
    late: bool = False
    by_stage: bool = False


SCENES = (
    Scene("apply", ("apply", "--prune", "-o", "json")),
    Scene("watch", ("watch", "--once", "--policy", "sync", "--prune-after", "1"), by_stage=True),
    Scene("rollback", ("rollback", "news", "--yes"), late=True),
    Scene("prune", ("prune", "--yes", "-o", "json")),
    Scene("prune all", ("prune", "--all", "--yes", "-o", "json"), late=True),
    Scene("status", ("status", "-o", "json"), late=True),
    Scene("check", ("check", "-o", "json"), late=True),
    Scene("plan", ("plan", "-o", "json")),
)


@dataclass(frozen=True)
class Played:
    """What came of a scene: its result, the objects and the tags in MLflow after it."""

    result: Result
    state: State
    tags: frozenset[tuple[str, ...]]
    seconds: float
    requests: int
    raised: str = ""


@dataclass
class Theatre:
    """The servers, the two states that scenes begin with, and what each comes to undisturbed."""

    world: Proxied
    early: State = field(default_factory=dict)
    late: State = field(default_factory=dict)
    undisturbed: dict[str, Played] = field(default_factory=dict)
    kinds: dict[Kind, Scene] = field(default_factory=dict)
    _laid: dict[str, str] = field(default_factory=dict)
    _bodies: dict[str, dict[str, Any]] = field(default_factory=dict)

    def before(self, scene: Scene) -> State:
        """Return the state that a scene begins with."""
        return self.late if scene.late else self.early

    def rehearse(self) -> None:
        """Fill both servers, play every scene once and note the kinds of its requests."""
        self._fill()
        self.world.mlflow.recall(stays)
        for scene in SCENES:
            played = self.play(scene)
            assert played.result.code == 0, (scene, played)
            self.undisturbed[scene.name] = played
            for edge in ("mlflow", "kubernetes"):
                for request in getattr(self.world, edge).requests:
                    self.kinds.setdefault(kind_of(edge, request), scene)

    def play(self, scene: Scene) -> Played:
        """Play a scene from its state, whatever goes wrong meanwhile."""
        self._lay(self.before(scene))
        for proxy in (self.world.mlflow, self.world.kubernetes):
            proxy.requests.clear()
        began, raised = time.monotonic(), ""
        try:
            result = m2s(*scene.argv, *self._flags(scene))
        except Exception as error:  # noqa: BLE001 - a violation, told as one
            result, raised = Result(-1, "", ""), repr(error)
        seconds = time.monotonic() - began
        asked = len(self.world.mlflow.requests) + len(self.world.kubernetes.requests)
        self.world.mlflow.heal()
        self.world.kubernetes.heal()
        state = self.world.objects.all()
        return Played(result, state, frozenset(self._tags()), seconds, asked, raised)

    def _flags(self, scene: Scene) -> tuple[str, ...]:
        _, alias, *where = self.world.flags
        selector = ("--stage", "Staging") if scene.by_stage else ("--alias", alias)
        owner = ("--owner", f"m2s-{alias}", "--request-timeout", "1s")
        if scene.argv[0] in ("rollback", "status"):
            return (*selector, *where[2:], *owner)
        chosen = (*selector, *where, *owner, "--model", f"*-{alias}")
        if scene.argv[0] in ("check", "prune"):
            return chosen
        back = ("--write-back",) if scene.argv[0] == "watch" else ()
        described = ("--deploy-file", "optional", "--model-uri-map", "mlflow-artifacts:=s3://store")
        return (*chosen, *described, *back)

    # ------------------------------------------------------------------ what there is

    def _fill(self) -> None:
        models, alias = self.world.models, self.world.alias
        self._secret()
        first = {n: models.add(f"{n}-{alias}", describe(n)) for n in NAMES}
        for name in first:
            models.alias(f"{name}-{alias}", alias, 1)
        applied = m2s("apply", *self._flags(SCENES[0]))
        assert applied.code == 0, applied
        paused = "held"
        for name in ("news", paused):
            models.add(f"{name}-{alias}", describe(name, 2), stage=None, alias=alias)
            models.move(f"{name}-{alias}", 2, "Staging")
        models.client.set_registered_model_tag(f"{paused}-{alias}", "m2s.io/paused", "true")
        models.alias(f"gone-{alias}", alias, None)
        models.move(f"gone-{alias}", 1, "Archived")
        models.add(f"new-{alias}", describe("new"), alias=alias)
        add_logged_model(models, f"bare-{alias}", alias)
        self.world.objects.create(seldon("foreign"))
        other = seldon("another-owner-s")
        marks = {"m2s.io/owner": "stage-elsewhere", "app.kubernetes.io/managed-by": "m2s"}
        other["metadata"]["labels"] = marks
        self.world.objects.create(other)
        self.early = self._taken()
        self._note()
        applied = m2s("apply", "--prune", *self._flags(SCENES[0]))
        assert applied.code == 0, applied
        self.late = self._taken()
        self._note()

    def _secret(self) -> None:
        path = f"/api/v1/namespaces/{self.world.objects.name}/secrets"
        data = {"metadata": {"name": "store"}, "stringData": {"RCLONE_CONFIG_S3_TYPE": "s3"}}
        self.world.objects.server.call("POST", path, data)

    def _taken(self) -> State:
        return {name: stripped(body) for name, body in self.world.objects.all().items()}

    def _note(self) -> None:
        """Remember which object is which, so that only what changed is laid anew."""
        for name, body in self.world.objects.all().items():
            self._laid[name] = body["metadata"]["resourceVersion"]
            self._bodies[name] = stripped(body)

    def _lay(self, state: State) -> None:
        """Make the namespace what it was, with the field managers that it had."""
        there = self.world.objects.all()
        for name, body in there.items():
            same = self._laid.get(name) == body["metadata"]["resourceVersion"]
            if not same or self._bodies.get(name) != state.get(name):
                self.world.objects.delete(name)
        there = self.world.objects.all()
        for name in state.keys() - there.keys():
            self._create(name, state[name])
        self._note()
        for name, body in state.items():
            self._bodies[name] = body
        self._untag()

    def _create(self, name: str, body: dict[str, Any]) -> None:
        if "m2s.io/model" not in body["metadata"].get("annotations", {}):
            self.world.objects.create(body)
            return
        api = client.CustomObjectsApi(self.world.objects.server.admin)
        api.patch_namespaced_custom_object(
            GROUP, VERSION, self.world.objects.name, PLURAL, name, body,
            field_manager="m2s", force=True, _content_type="application/apply-patch+yaml",
        )  # fmt: skip

    def _tags(self) -> list[tuple[str, ...]]:
        """Return the tags of this world's versions and models."""
        with contextlib.closing(sqlite3.connect(self.world.models.database)) as database:
            found: list[tuple[str, ...]] = []
            for columns, table in _TAGS.items():
                ask = f"SELECT {columns} FROM {table} WHERE name LIKE ?"  # noqa: S608 - ours
                found += database.execute(ask, (f"%-{self.world.alias}",)).fetchall()
        return [tuple(_MOMENT.sub("T", str(cell)) for cell in row) for row in found]

    def _untag(self) -> None:
        with contextlib.closing(sqlite3.connect(self.world.models.database)) as database, database:
            forget = "DELETE FROM model_version_tags WHERE key LIKE 'm2s.io/live/%' AND name LIKE ?"
            database.execute(forget, (f"%-{self.world.alias}",))


NAMES = ("news", "same", "gone", "held")
_TAGS = {
    "name, version, key, value": "model_version_tags",
    "name, key, value": "registered_model_tags",
}


def describe(name: str, replicas: int = 1) -> str:
    """Return a deploy.yaml that refers to a Secret and a ServiceAccount."""
    body = seldon(name)
    predictor = body["spec"]["predictors"][0]
    predictor["replicas"] = replicas
    predictor["graph"]["envSecretRefName"] = "store"
    predictor["componentSpecs"][0]["spec"]["serviceAccountName"] = "reader"
    return yaml.safe_dump(body)


def add_logged_model(models: Models, model: str, alias: str) -> None:
    """Register a version as MLflow 3 does: a model of its own, with its files."""
    made = models.client.create_logged_model("0", name="model")
    models.client.log_model_artifacts(made.model_id, _mlmodel(models))
    models.client.create_registered_model(model)
    source = f"models:/{made.model_id}"
    version = models.client.create_model_version(model, source, model_id=made.model_id)
    models.move(model, int(version.version), "Staging")
    models.alias(model, alias, int(version.version))


def _mlmodel(models: Models) -> str:
    folder = models.database.parent / "a-logged-model"
    folder.mkdir(exist_ok=True)
    (folder / "MLmodel").write_text("flavors: {python_function: {python_version: 3.11.0}}\n")
    return str(folder)


def stays(request: Recorded) -> bool:
    """Whether MLflow answers a request alike each time: nothing but tags of ours is written."""
    return request.method == "GET" and "m2s.io%2Flive" not in request.path


def stripped(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object without what the server adds."""
    ours = ("name", "namespace", "labels", "annotations")
    metadata = {k: v for k, v in body["metadata"].items() if k in ours}
    head = {k: body[k] for k in ("apiVersion", "kind", "spec")}
    return {**head, "metadata": metadata}
