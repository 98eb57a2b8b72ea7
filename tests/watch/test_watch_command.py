"""``m2s watch`` on the command line: its options, its exit codes, its log."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from m2s.base.errors import UsageError
from m2s.observers import logs
from m2s.settings import build
from m2s.watch.report import PassReport, Result
from tests.kits.support import description, m2s, process
from tests.kits.watch_kit import Start
from tests.kits.worlds import World

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them


def test_one_pass_has_the_exit_code_of_apply(on_folder: World) -> None:
    on_folder.models.add("iris", description("iris"))
    once = ("watch", *on_folder.flags, "--once")
    done = process(*once)
    assert (done.code, set(on_folder.objects.all())) == (0, {"iris"})
    assert "created iris: v1 is in Staging" in done.err
    on_folder.models.add("wine", "kind: Pod")
    blocked = process(*once)
    assert blocked.code == 1
    assert "blocked wine" in blocked.err
    on_folder.models.move("wine", 1, "Archived")
    on_folder.models.move("iris", 1, "Archived")
    refused = process(*once, "--policy", "sync", "--prune-after", "1")
    assert refused.code == 3
    assert "m2s prune --all" in refused.err
    assert set(on_folder.objects.all()) == {"iris"}


def test_a_registry_that_is_down_at_the_start_is_waited_for(start: Start, tmp_path: Path) -> None:
    nowhere = ("--tracking-uri", "http://127.0.0.1:9", "--target", f"dir:{tmp_path}")
    watch = start("--stage", "Staging", *nowhere, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    assert watch.await_line("MLflow at http://127.0.0.1:9")["level"] == "error"
    assert watch.end() == 0


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("--interval", "0.5s"), "--interval: wants 1s or more, not '0.5s'"),
        (("--policy", "synch"), "--policy: wants sync or upsert-only, not 'synch'"),
        (("--prune-after", "0"), "--prune-after: wants a number of passes"),
        (("--listen", "8080"), "--listen: wants ADDRESS:PORT such as 0.0.0.0:8080"),
        (("--listen", "localhost:99999"), "--listen: wants ADDRESS:PORT"),
        (("--lease-name", "Our Lease"), "--lease-name: 'Our Lease' is no name of a Lease"),
        (("--log-format", "xml"), "--log-format: wants console or json, not 'xml'"),
        (("--leader-elect",), "--leader-elect wants a Kubernetes cluster"),
        (("--webhook-secret-file", "gone"), "--webhook-secret-file: gone: No such file"),
    ],
)
def test_a_wrong_option_is_one_line(on_folder: World, argv: tuple[str, ...], told: str) -> None:
    done = m2s("watch", *on_folder.flags, *argv)
    assert (done.code, told in done.error) == (64, True), done


def test_one_pass_does_not_contend_for_a_lease(sqlite_registry: str) -> None:
    done = m2s("watch", "--stage", "Staging", "--once", "--leader-elect")
    assert (done.code, "exclude each other" in done.error) == (64, True)


def test_the_secret_has_no_place_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "m2s.yaml"
    file.write_text("stage: Staging\nwebhook-secret: hunter2\n")
    with pytest.raises(UsageError, match=r"m2s.yaml:2: webhook-secret: no such key") as raised:
        build.build({}, {}, str(file))
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("flags", "environ", "syncs"),
    [
        ({}, {}, False),
        ({"prune": True}, {}, True),
        ({"policy": "sync"}, {}, True),
        ({"prune": True}, {"M2S_POLICY": "upsert-only"}, True),
        ({"policy": "upsert-only"}, {"M2S_PRUNE": "true"}, False),
    ],
)
def test_the_policy_of_the_higher_layer_wins(
    flags: dict[str, object], environ: dict[str, str], syncs: bool
) -> None:
    assert build.build(flags, environ).syncs is syncs


def test_each_scope_has_a_lease_of_its_own() -> None:
    def lease(**flags: object) -> str:
        return build.build({name.replace("_", "-"): raw for name, raw in flags.items()}, {}).lease

    assert lease(stage=["Staging"]) == "m2s-stage-staging"
    assert lease(owner="shop", alias=["champion"]) == "m2s-shop"
    assert lease(stage=["Staging"], lease_name="ours") == "ours"
    assert lease(stage=["Staging"], model=["shop-*"]) != lease(stage=["Staging"], model=["bank-*"])


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a logger of m2s's writes as JSON."""
    stream, logger = io.StringIO(), logging.getLogger("m2s")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JsonFormatter())
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


def report(result: Result, message: str = "") -> PassReport:
    return PassReport(datetime.now(UTC), 0.1, "interval", result, message, None)


def test_a_log_line_is_json_without_secrets(written: io.StringIO) -> None:
    said = "cannot read\nhttp://me:hunter2@mlflow/ with Bearer abcdefghijklmnop"
    logging.getLogger("m2s.watch").warning("%s", said)
    (line,) = written.getvalue().splitlines()
    values = json.loads(line)
    assert values["message"] == "cannot read http://***@mlflow/ with Bearer ***"
    assert values["level"] == "warning"
    assert datetime.fromisoformat(values["time"]).tzinfo is not None


def test_trouble_is_told_when_it_begins_changes_and_ends(written: io.StringIO) -> None:
    log = logs.PassLog()
    for result, message in (
        ("success", ""),
        ("error", "MLflow is gone"),
        ("error", "MLflow is gone"),
        ("refused", "over --max-delete"),
        ("refused", "over --max-delete"),
        ("success", ""),
        ("success", ""),
    ):
        log(report(result, message))  # type: ignore[arg-type]  # a tuple's words are plain text
    assert [json.loads(line)["message"] for line in written.getvalue().splitlines()] == [
        "MLflow is gone",
        "over --max-delete",
        "all can be read and done again",
    ]
