"""Artifacts of an unchanged version are fetched once, counted in requests to a real server."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from m2s.domain.versions import Description, MlModel, ModelVersion, Unreadable
from m2s.sources.mlflow.cache import Cache
from m2s.sources.mlflow.registry import MlflowRegistry
from tests.kits.support import Models, description, m2s
from tests.kits.worlds import World
from tests.servers import FaultProxy, MlflowServer

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Shop:
    """One model of the test's own behind a proxy, and the folder of kept values."""

    models: Models
    proxy: FaultProxy
    folder: Path
    model: str

    def version(self) -> ModelVersion:
        every = MlflowRegistry(self.proxy.url)._every_version()
        (found,) = (one for one in every if one.model == self.model)
        self.proxy.requests.clear()
        return found

    def describe(self, version: ModelVersion, *, read: bool = True) -> Description:
        found = self.registry().describe(version, read=read)
        assert isinstance(found, Description), found
        return found

    def registry(self, *, cached: bool = True) -> MlflowRegistry:
        """A registry as a new process has it."""
        return MlflowRegistry(self.proxy.url, cache=Cache(self.folder) if cached else None)

    def kept(self) -> bytes:
        return b"".join(path.read_bytes() for path in sorted(self.folder.glob("*")))


@pytest.fixture
def shop(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy], tmp_path: Path
) -> Shop:
    models = Models(mlflow_server.uri, mlflow_server.database)
    return Shop(models, fault_proxy(mlflow_server), tmp_path / "cache", f"kept-{next(_numbers)}")


def test_a_second_run_fetches_nothing(shop: Shop) -> None:
    shop.models.add(shop.model, description("iris"))
    version = shop.version()
    first = shop.describe(version)
    assert first.file
    cold = len(shop.proxy.requests)
    assert cold
    assert shop.describe(version) == first
    assert len(shop.proxy.requests) == cold


def test_without_the_cache_it_is_fetched_each_time(shop: Shop) -> None:
    shop.models.add(shop.model, description("iris"))
    version = shop.version()
    shop.describe(version)
    cold = len(shop.proxy.requests)
    shop.registry(cached=False).describe(version)
    assert len(shop.proxy.requests) == 2 * cold


def test_a_version_whose_record_changed_is_fetched_again(shop: Shop) -> None:
    number = shop.models.add(shop.model, description("iris"))
    before = shop.version()
    shop.describe(before)
    shop.models.client.log_text(before.run_id or "", description("other"), "deploy.yaml")
    shop.models.move(shop.model, number, "Archived")
    after = shop.version()
    assert after.updated > before.updated
    file = shop.describe(after).file
    assert file
    assert b"name: other" in file.content


def test_where_no_file_was_only_the_run_is_looked_into_again(shop: Shop) -> None:
    shop.models.add(shop.model, None)
    version = shop.version()
    run = version.run_id or ""
    shop.models.client.log_text(run, "x", "model/MLmodel")
    held = ModelVersion(
        shop.model, 1, run_id=run, updated=version.updated,
        source=f"mlflow-artifacts:/0/{run}/artifacts/model",
    )  # fmt: skip
    shop.proxy.requests.clear()
    assert shop.describe(held).file is None
    cold = len(shop.proxy.requests)
    shop.proxy.requests.clear()
    assert shop.describe(held).file is None
    (look,) = shop.proxy.requests
    assert "artifacts" in look.path
    assert cold >= 3
    shop.models.client.log_text(run, description("late"), "deploy.yaml")
    file = shop.describe(held).file
    assert file
    assert b"name: late" in file.content


def test_trouble_is_not_kept(shop: Shop) -> None:
    shop.models.add(shop.model, description("iris"))
    version = shop.version()
    shop.proxy.answer(403, "no", path="mlflow-artifacts")
    assert isinstance(shop.registry().describe(version), Unreadable)
    shop.proxy.heal()
    assert shop.describe(version).file


def test_trouble_of_a_store_whose_files_are_known_is_no_trouble(shop: Shop) -> None:
    shop.models.add(shop.model, description("iris"))
    version = shop.version()
    known = shop.describe(version)
    shop.proxy.answer(403, "no", path="mlflow-artifacts")
    assert shop.describe(version) == known


def test_locations_are_kept_where_nothing_is_read(shop: Shop) -> None:
    shop.models.add(shop.model, description("iris"), source="s3://models/1")
    version = shop.version()
    assert shop.describe(version, read=False) == Description("s3://models/1", None)
    assert shop.describe(version).file
    asked = len(shop.proxy.requests)
    assert shop.describe(version, read=False) == Description("s3://models/1", None)
    assert shop.describe(version).file
    assert len(shop.proxy.requests) == asked


def test_what_a_model_s_folder_says_is_read_once(shop: Shop) -> None:
    shop.models.add(shop.model, description("iris"))
    version = shop.version()
    run = version.run_id or ""
    flavors = "python_function: {python_version: 3.12.1}, sklearn: {serialization_format: skops}"
    text = f"flavors: {{{flavors}}}\nmlflow_version: 3.17.2\n"
    shop.models.client.log_text(run, text, "model/MLmodel")
    where = f"mlflow-artifacts:/0/{run}/artifacts/model"
    version = ModelVersion(shop.model, 1, run_id=run, source=where, updated=version.updated)
    wanted = MlModel(("python_function", "sklearn"), "3.17.2", "3.12.1", formats=("skops",))
    for cold in (True, False):
        registry = shop.registry()
        registry.describe(version)
        shop.proxy.requests.clear()
        assert registry.mlmodel(where) == wanted
        assert hash(registry.mlmodel(where)) == hash(wanted)
        assert bool(shop.proxy.requests) == cold


SECRETS = [
    (description("iris").replace("spec:", "spec:\n  annotations: {password: hunter22}", 1), None),
    (description("iris"), "s3://user:hunter22@bucket/model"),
    ("kind: [hunter22", None),
]


@pytest.mark.parametrize(("deploy", "source"), SECRETS)
def test_no_secret_is_written(shop: Shop, deploy: str, source: str | None) -> None:
    shop.models.add(shop.model, deploy, source=source)
    version = shop.version()
    shop.describe(version)
    assert b"hunter22" not in shop.kept()
    assert list(shop.folder.glob("*")) == []


@pytest.mark.thorough
def test_the_command_line_keeps_and_with_no_cache_asks(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("M2S_CACHE", "true")
    shop.models.add(shop.model, description("iris"), stage=None, alias=shop.model)
    where = ("--tracking-uri", shop.proxy.url, "--target", f"dir:{tmp_path}/out")
    counts = []
    for more in ((), (), ("--no-cache",)):
        shop.proxy.requests.clear()
        assert m2s("plan", "--alias", shop.model, *where, *more).code == 0
        counts.append(shop.proxy.count(path=r"runs/get|mlflow-artifacts"))
    assert counts[0] == counts[2] > 0
    assert counts[1] == 0
    assert list((tmp_path / "m2s" / "registry").glob("*.json"))


def test_a_cache_that_cannot_be_written_changes_nothing(
    on_folder: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    on_folder.models.add("iris")
    assert on_folder.actions() == {"iris-staging": "create"}
