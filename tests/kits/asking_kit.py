"""A registry, a cluster with an operator, and a model server behind every version of one model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from m2s.domain.deployments import LiveDeployment
from m2s.engine import proving
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits.answering import ModelServer
from tests.kits.registry_kit import folder_with
from tests.kits.seldon_operator import Act, Operator, operator
from tests.kits.support import Result, description, m2s
from tests.kits.worlds import World
from tests.servers import ApiServer

SECRET = 48151623.42
SIGNATURE = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 1]}}]
MLMODEL = f"""
flavors: {{python_function: {{}}}}
saved_input_example_info: {{serving_input_path: serving_input_example.json}}
signature: {{inputs: '{json.dumps(SIGNATURE)}'}}
"""


@dataclass(frozen=True)
class Asker:
    """A registry, a cluster with an operator, and the model server behind every version."""

    world: World
    cluster: KubernetesCluster
    server: ApiServer
    model: ModelServer
    folder: Path

    def add(self, *, example: bool = True, image: str = "1.18.2", **how: Any) -> int:
        """Log a model with an example, and promote it."""
        name = f"m{len([*self.folder.iterdir()])}"
        files = {"MLmodel": MLMODEL if example else "flavors: {python_function: {}}\n"}
        if example:
            files["serving_input_example.json"] = json.dumps({"inputs": [[SECRET]]})
        source = folder_with(self.folder / name, files)
        deploy = description(image=image)
        return self.world.models.add("iris", deploy, source=source, **how)

    def __call__(self, command: str, *argv: str) -> Result:
        where = {"verify": self.world.flags[2:], "retry": self.world.flags[4:]}
        return m2s(command, *where.get(command, self.flags), *argv)

    @contextmanager
    def operated(self, act: Act | None = None) -> Iterator[None]:
        with operator(self.server, self.cluster, act or Operator.serve):
            yield

    def refuse(self) -> None:
        """Have the model server refuse what it is asked, and repeat it."""
        self.model.answers(500, {"status": {"info": f"cannot use [[{SECRET}]] of Mr X\nat line 3"}})

    def accept(self) -> None:
        """Have the model server answer well."""
        self.model.answers(200, {"data": {"ndarray": [[1.0]]}})

    @property
    def flags(self) -> tuple[str, ...]:
        """What every command of this world has that reads the registry."""
        elsewhere = ("--model-uri-map", f"{self.folder.as_uri()}=s3://models", "--no-preflight")
        return (*self.world.flags, *elsewhere)

    @property
    def live(self) -> LiveDeployment:
        (live,) = self.cluster.list()
        return live

    def row(self) -> dict[str, Any]:
        return self("plan", "-o", "json").changes["iris-staging"]


@pytest.fixture
def asker(
    on_cluster: World,
    api_server: ApiServer,
    model_server: ModelServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Asker:
    monkeypatch.setattr(proving, "PATIENCE", 1.0)
    monkeypatch.setattr(proving, "_PAUSE", 0.05)
    namespace = on_cluster.objects.name
    model_server.serve(api_server, namespace, "iris-staging-default")
    folder = tmp_path / "models"
    folder.mkdir()
    cluster = connect(namespace, str(api_server.kubeconfig()), None)
    return Asker(on_cluster, cluster, api_server, model_server, folder)


def told(result: Result) -> str:
    """Return all that was printed, which has no value of the example."""
    said = " ".join((result.out + result.err).split())
    assert "48151623" not in said
    return said
