"""The servers that everything is measured against, filled."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.fill import fill
from tests.bench.measure import Command
from tests.controlplane import assets
from tests.kits.core import install
from tests.servers import ApiServer, MlflowServer
from tests.servers.mlflowserver import make_template

ROOT = Path(__file__).parents[2]
WARM = "s3://bucket/mlflow"
MOVED = "s3://bucket-2/mlflow"


@dataclass(frozen=True)
class Namespaces:
    """Where what is deployed.

    ``all`` has Staging, all of the models; ``some`` Production, the first hundred; ``kubectl`` and
    ``bare`` have what kubectl and a bare client apply.
    """

    all: str
    some: str
    kubectl: str
    bare: str


@dataclass(frozen=True)
class World:
    """One registry of ``models`` models, and the API server."""

    models: int
    mlflow: MlflowServer
    api: ApiServer
    folder: Path
    names: Namespaces
    kubeconfig: Path
    interpreter: Path

    @property
    def env(self) -> dict[str, str]:
        """A user's environment, with a home and a cache of its own."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.kubeconfig),
            "MLFLOW_TRACKING_URI": self.mlflow.uri,
            "PYTHONPATH": str(ROOT),
        }

    def m2s(self, *argv: str, stage: str = "Staging", bucket: str = WARM) -> Command:
        """Return an m2s command that is about ``stage``."""
        return self.script(*argv, *self.flags(stage, bucket))

    def flags(self, stage: str = "Staging", bucket: str = WARM) -> tuple[str, ...]:
        """Return what selects, where to, and where the models lie."""
        where = self.names.all if stage == "Staging" else self.names.some
        mapped = f"mlflow-artifacts:/={bucket}"
        return ("--stage", stage, "-n", where, "--model-uri-map", mapped)

    def python(self, *argv: str, env: Mapping[str, str] | None = None) -> Command:
        """Return a command of the environment that the image has."""
        return Command((str(self.interpreter), *argv), {**self.env, **(env or {})}, self.folder)

    def script(self, *argv: str, env: Mapping[str, str] | None = None) -> Command:
        """Return an m2s command, as it is given."""
        program = str(self.interpreter.with_name("m2s"))
        return Command((program, *argv), {**self.env, **(env or {})}, self.folder)

    def kubectl(self, *argv: str, ok: frozenset[int] = frozenset({0})) -> Command:
        """Return a kubectl command in its own namespace."""
        return Command(("kubectl", "-n", self.names.kubectl, *argv), self.env, self.folder, ok)


@contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """Yield a fresh API server; exits with what to do where there is none."""
    binaries = assets.find()
    if binaries is None:
        raise SystemExit(assets.HINT)
    server = ApiServer(binaries, folder)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def worlds(folder: Path, sizes: tuple[int, ...]) -> Iterator[dict[int, World]]:
    """Yield a filled world of each size; all share one API server."""
    template = make_template(folder)
    interpreter = install(folder / "core")
    with ExitStack() as stack:
        api = stack.enter_context(api_server(folder))
        found = {}
        for size in sizes:
            own = folder / f"mlflow-{size}"
            own.mkdir()
            server = MlflowServer(template, own)
            stack.callback(server.stop)
            fill(server.database, own / "artifacts", size)
            names = [api.namespace(f"{word}-{size}") for word in ("all", "some", "kubectl", "bare")]
            for name in names:
                secret = {"metadata": {"name": "bucket"}, "stringData": _SECRET}
                api.call("POST", f"/api/v1/namespaces/{name}/secrets", secret)
            config = api.kubeconfig()
            where = Namespaces(*names)
            found[size] = World(size, server, api, own, where, config, interpreter)
        yield found


_SECRET = {"RCLONE_CONFIG_S3_TYPE": "s3", "RCLONE_CONFIG_S3_PROVIDER": "AWS"}
