"""Law 8: bad input ends in one line that names the object, the field and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kits.support import Result, m2s
from tests.kits.worlds import World
from tests.servers import free_port

COMMANDS = [("plan",), ("apply", "--prune"), ("prune", "--yes")]


@pytest.fixture
def deployed(on_folder: World) -> Iterator[World]:
    """A folder with one deployment, which is there unchanged afterwards."""
    on_folder.models.add("iris", alias="champion")
    on_folder.models.add("wine", stage="Production")
    on_folder.apply()
    before = on_folder.objects.snapshot()
    yield on_folder
    assert on_folder.objects.snapshot() == before


def assert_refused(result: Result, code: int, *words: str) -> None:
    """One line on standard error, nothing on standard output, and the words are in it."""
    assert result.error
    assert (result.code, result.out) == (code, "")
    assert result.err.count("\n") == 1
    for word in words:
        assert word in result.error


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_stage_that_mlflow_has_not(deployed: World, command: tuple[str, ...]) -> None:
    result = deployed(*command, "--stage", "Stagin")
    assert_refused(result, 64, "--stage", "'Stagin'", "Production", "did you mean Staging?")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_an_alias_that_no_model_has(deployed: World, command: tuple[str, ...]) -> None:
    result = m2s(*command, "--alias", "champ", *deployed.flags[2:])
    assert_refused(result, 64, "'champ'", "champion (1)", "Staging (1)", "did you mean champion?")


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_neither_selector_nor_config(deployed: World, command: str) -> None:
    result = m2s(command, *deployed.flags[2:])
    assert_refused(result, 64, "--stage", "--alias", "Production (1), Staging (1)", "champion (1)")


def test_an_empty_registry_has_nothing_to_choose_from(on_folder: World) -> None:
    result = m2s("plan", *on_folder.flags[2:])
    assert_refused(result, 64, "the stages none and the aliases none")


URIS = [
    ("", 64, "MLFLOW_TRACKING_URI"),
    ("localhost:5000", 1, "did you mean http://localhost:5000?"),
    ("http://", 1, "names no host"),
    ("http://[::1", 1, "malformed"),
    ("http://x:notaport", 1, "malformed"),
    ("./mlruns", 1, "--tracking-uri"),
    ("sqlite:////no/such/file.db", 1, "there is no file /no/such/file.db"),
    ("sqlite:///:memory:", 1, "names no file"),
    ("databricks://x", 1, "Databricks"),
    ("http://127.0.0.1:{port}", 1, "connection refused"),
    ("http://m2s.invalid", 1, "host name is unknown"),
    ("gopher://x", 1, "gopher"),
]


@pytest.mark.parametrize(("uri", "code", "says"), URIS, ids=[uri for uri, _, _ in URIS])
def test_a_tracking_uri_that_leads_nowhere(
    deployed: World, monkeypatch: pytest.MonkeyPatch, uri: str, code: int, says: str
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = uri.format(port=free_port())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    flags = [flag for flag in deployed.flags if "sqlite" not in flag and flag != "--tracking-uri"]
    assert_refused(m2s("apply", "--prune", *flags), code, says)
    if uri:
        assert_refused(m2s("prune", "--yes", *flags, "--tracking-uri", uri), code, says)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("plan", "--no-such-option"), "--no-such-option"),
        (("plann",), "plann"),
        (("plan", "--stage"), "--stage"),
        (("plan", "-o", "xml"), "markdown"),
        (("apply", "a.json", "b.json"), "b.json"),
        (("plan", "--prune"), "--prune"),
    ],
)
def test_a_command_line_that_is_none(deployed: World, argv: tuple[str, ...], says: str) -> None:
    command, *rest = argv
    assert_refused(deployed(command, *rest), 64, says)


def _a_file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("in the way")
    return path


def _below_a_file(tmp_path: Path) -> Path:
    return _a_file(tmp_path) / "folder"


def _where_nobody_may_write(_: Path) -> Path:
    return Path("/proc/m2s")


@pytest.mark.parametrize("place", [_a_file, _below_a_file, _where_nobody_may_write])
def test_a_folder_that_cannot_be_written(
    deployed: World, tmp_path: Path, place: Callable[[Path], Path]
) -> None:
    path = place(tmp_path)
    result = deployed("apply", "--target", f"dir:{path}")
    assert result.code == 1
    assert str(path) in (result.err or "".join(result.out.split()))
    assert "Traceback" not in result.out + result.err


def test_a_file_in_the_folder_that_is_no_yaml_is_named_and_left_alone(on_folder: World) -> None:
    on_folder.models.add("iris")
    on_folder.apply()
    file = on_folder.objects.path / "broken.yaml"
    file.write_text("a: b\nkind: [\n")
    for command in ("plan", "apply"):
        result = on_folder(command)
        assert result.code == 0, result
        assert (result.out + result.err).count(f"{file}, line 2") == 1
    assert file.read_text() == "a: b\nkind: [\n"


def test_a_namespace_that_cannot_be_one(deployed: World) -> None:
    for name in ("Not_A_Name", "../up", "x" * 64, "a/b"):
        assert_refused(deployed("plan", "-n", name), 64, "namespace", repr(name))
