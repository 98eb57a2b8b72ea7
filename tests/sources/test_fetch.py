"""``m2s fetch``: a model arrives as a whole, or not at all, and nothing lands anywhere else."""

from __future__ import annotations

import contextlib
import errno
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import mlflow
import pytest

from m2s.sources.mlflow import fetch as fetching
from m2s.sources.mlflow import sample, transport
from tests.kits.support import Result, m2s
from tests.servers import FaultProxy, MlflowServer
from tests.servers.artifacts import SERVICE, ArtifactServer

FILES = {
    "model/MLmodel": b"flavors: {}\n",
    "model/model.pkl": b"p" * 300_000,
    "model/code/a b/x.py": b"1",
}
BROUGHT = {path.removeprefix("model/"): content for path, content in FILES.items()}
MARK = ".m2s-fetched"


pytestmark = pytest.mark.server  # of its own, which answers as it is told


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no waiting between attempts."""
    monkeypatch.setattr(fetching, "_PAUSES", (0.0, 0.0))
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")


@pytest.fixture
def server() -> Iterator[ArtifactServer]:
    made = ArtifactServer()
    made.put(FILES)
    yield made
    made.close()


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A model in a local folder."""
    return wrote(tmp_path / "stored", FILES) / "model"


def wrote(folder: Path, files: Mapping[str, bytes]) -> Path:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def there(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder, without the mark."""
    files = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if name != MARK}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fetch(*argv: object) -> Result:
    return m2s("fetch", *map(str, argv))


def refused(result: Result) -> str:
    assert result.code == 1, result
    assert len(result.err.splitlines()) == 1, result
    return result.error


def test_a_model_arrives_and_one_line_says_so(stored: Path, tmp_path: Path) -> None:
    result = fetch(stored, tmp_path / "a" / "model")
    assert (result.code, result.out) == (0, "")
    (line,) = result.err.splitlines()
    assert line.startswith("Fetched: 3 files, 300013 bytes, ")
    assert there(tmp_path / "a" / "model") == BROUGHT
    assert names(tmp_path / "a") == ["model"]


def test_the_same_model_is_there_already(stored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    assert fetch(stored, folder).code == 0
    (folder / "__pycache__").mkdir()  # what a model server may leave there
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = fetch(stored, folder)
    assert again.code == 0
    assert again.err.startswith("Was there already: 3 files, ")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def other_source(stored: Path, folder: Path) -> Path:
    return wrote(stored.parent, {"b/MLmodel": FILES["model/MLmodel"]}) / "b"


def overwritten(stored: Path, folder: Path) -> Path:
    (stored / "model.pkl").write_bytes(b"another")
    return stored


def lost(stored: Path, folder: Path) -> Path:
    (folder / "model.pkl").unlink()
    return stored


def cut(stored: Path, folder: Path) -> Path:
    (folder / "model.pkl").write_bytes(b"")
    return stored


def damaged(stored: Path, folder: Path) -> Path:
    (folder / MARK).write_bytes(b"{}")
    return stored


def unmarked(stored: Path, folder: Path) -> Path:
    (folder / MARK).unlink()
    return stored


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_source, "has another model in it, from file://"),
        (overwritten, "has another model in it, from file://"),
        (lost, "has lost files of its model"),
        (cut, "has lost files of its model"),
        (damaged, f"{MARK} is damaged"),
        (unmarked, "has something in it that is not from m2s (MLmodel, code, model.pkl)"),
    ],
)
def test_something_else_is_refused(
    stored: Path, tmp_path: Path, change: Callable[[Path, Path], Path], words: str
) -> None:
    folder = tmp_path / "model"
    assert fetch(stored, folder).code == 0
    uri = change(stored, folder)
    before = there(folder)
    error = refused(fetch(uri, folder))
    assert words in error
    assert error.endswith("give another folder, or empty this one")
    assert there(folder) == before


def test_an_empty_folder_keeps_its_mode(stored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    folder.chmod(0o750)
    assert fetch(stored, folder).code == 0
    assert there(folder) == BROUGHT
    assert folder.stat().st_mode & 0o777 == 0o750
    assert not [name for name in names(tmp_path) if "m2s" in name]


def test_a_new_volume_is_an_empty_folder(stored: Path, tmp_path: Path) -> None:
    folder = tmp_path / "volume"
    (folder / "lost+found").mkdir(parents=True)
    assert fetch(stored, folder).code == 0
    assert there(folder) == BROUGHT
    assert (folder / "lost+found").is_dir()


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that nothing can be renamed out of or into, as a mounted volume."""
    volume, rename = tmp_path / "volume", Path.rename
    volume.mkdir()

    def within(path: Path, target: Path) -> Path:
        if path.is_relative_to(volume) != Path(target).is_relative_to(volume) or path == volume:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", within)
    return volume


def test_a_mounted_volume_gets_mlmodel_and_the_mark_last(
    stored: Path, mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, rename = list[str](), Path.rename

    def noted(path: Path, target: Path) -> Path:
        moved = rename(path, target)
        seen.append(path.name)
        return moved

    monkeypatch.setattr(Path, "rename", noted)
    assert fetch(stored, mounted).code == 0
    assert there(mounted) == BROUGHT
    assert names(mounted) == [MARK, "MLmodel", "code", "model.pkl"]
    assert sorted(seen[:-2]) == ["code", "model.pkl"]
    assert seen[-2:] == ["MLmodel", MARK]
    assert names(mounted.parent) == ["stored", "volume"]


@pytest.mark.parametrize("moves", [1, 2, 3])
@pytest.mark.parametrize("foreign", [False, True])
def test_a_volume_whose_moving_was_cut_short_is_gone_on_with(
    stored: Path, mounted: Path, monkeypatch: pytest.MonkeyPatch, moves: int, foreign: bool
) -> None:
    left, rename = [moves], Path.rename

    def killed(path: Path, target: Path) -> Path:
        moved = rename(path, target)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return moved

    monkeypatch.setattr(Path, "rename", killed)
    assert fetch(stored, mounted).code == 130
    assert not (mounted / MARK).exists()
    monkeypatch.setattr(Path, "rename", rename)
    if foreign:
        (mounted / "mine").write_text("x")
        assert "is not from m2s" in refused(fetch(stored, mounted))
        assert (mounted / "mine").exists()
        return
    assert fetch(stored, mounted).err.startswith("Was there already: 3 files")
    assert there(mounted) == BROUGHT
    assert names(mounted) == [MARK, "MLmodel", "code", "model.pkl"]


@pytest.mark.slow
def test_two_at_once_do_not_disturb_each_other(server: ArtifactServer, tmp_path: Path) -> None:
    with in_the_middle(server, tmp_path / "model") as first:
        error = refused(fetch(server.address("model"), tmp_path / "model"))
        assert "another m2s fetch is at work" in error
        assert server.hold is not None
        server.hold.set()
        assert first.wait(60) == 0
    assert there(tmp_path / "model") == BROUGHT


class in_the_middle:  # noqa: N801 - reads as what it is
    """A fetch in a process of its own, which waits for the second half of a file."""

    def __init__(self, server: ArtifactServer, folder: Path) -> None:
        server.hold = threading.Event()
        argv = [sys.executable, "-m", "m2s", "fetch", server.address("model"), str(folder)]
        self._server, self._argv = server, argv

    def __enter__(self) -> subprocess.Popen[bytes]:
        self.process = subprocess.Popen(self._argv, stderr=subprocess.DEVNULL)
        assert self._server.held.wait(60)
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        assert self._server.hold is not None
        self._server.hold.set()
        self._server.hold = None


@pytest.mark.thorough
@pytest.mark.parametrize("exists", [pytest.param(False, marks=pytest.mark.slow), True])
def test_what_was_killed_in_the_middle_starts_again(
    server: ArtifactServer, tmp_path: Path, exists: bool
) -> None:
    folder = tmp_path / "model"
    if exists:
        folder.mkdir()
    with in_the_middle(server, folder) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert folder.exists() == exists
    assert not exists or names(folder) == []
    assert fetch(server.address("model"), folder).code == 0
    assert there(folder) == BROUGHT
    assert names(tmp_path) == ["model"]


HOSTILE: dict[str, Any] = {
    "up": "../x", "absolute": "OUTSIDE/x", "deep": "a/../../x", "windows": "a\\x", "nul": "x\0y",
    "nothing": {"path": "", "is_dir": False}, "two levels": "a/x", "line": "a\nb",
    "dots": "..", "half a character": "\ud800", "encoded": "%2e%2e/x",
    "folder up": {"path": "..", "is_dir": True}, "a number": {"path": 7},
    "no path": {"is_dir": True},
    "drive": "C:\\x",
}  # fmt: skip


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("entry", HOSTILE)
def test_no_path_leaves_the_folder(
    server: ArtifactServer, tmp_path: Path, entry: str, known: bool
) -> None:
    hostile = HOSTILE[entry]
    if isinstance(hostile, str):
        hostile = hostile.replace("OUTSIDE", str(tmp_path))
        hostile = {"path": hostile, "is_dir": False, "file_size": 1}
    server.listings["model"].append(hostile)
    if not (known and entry in ("nul", "line")):  # whose names MLflow's client itself changes
        server.rest = b"x"
    where = ["--tracking-uri", server.url] if known else []
    folder = tmp_path / "in" / "model"
    error = refused(fetch(server.address("model"), folder, *where))
    assert error.startswith(f"cannot fetch {server.address('model')}: cannot ")
    assert not folder.exists()
    assert there(tmp_path) == {}


CONTRADICTING: dict[str, list[Any]] = {
    "twice": ["a", "a"], "a file and a folder": ["a", "a/"],
}  # fmt: skip


@pytest.mark.parametrize("entries", CONTRADICTING)
def test_a_listing_that_contradicts_itself_is_refused(
    server: ArtifactServer, tmp_path: Path, entries: str
) -> None:
    server.listings["model"] += CONTRADICTING[entries]
    assert "it lists 'a' twice" in refused(fetch(server.address("model"), tmp_path / "model"))


def test_a_listing_without_an_end_ends(
    server: ArtifactServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "_MOST", 20)
    every = server.listings["model"]
    every.append("down/")
    monkeypatch.setattr(server, "listings", Endless(every))
    assert "more than 20 files" in refused(fetch(server.address("model"), tmp_path / "model"))


class Endless(dict[str, Any]):
    """Every folder lists the same."""

    def __init__(self, entries: list[Any]) -> None:
        super().__init__()
        self._entries = entries

    def get(self, _key: str, _default: Any = None) -> Any:
        return self._entries


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_out_of_a_local_model_is_refused(stored: Path, tmp_path: Path, kind: str) -> None:
    outside = wrote(tmp_path / "outside", {"secret": b"s"})
    (stored / "link").symlink_to(outside / "secret" if kind == "file" else outside)
    error = refused(fetch(stored, tmp_path / "model"))
    assert "'link' is a link that leads out of the model's folder" in error
    assert not (tmp_path / "model").exists()


def test_a_link_within_a_local_model_arrives_as_a_file(stored: Path, tmp_path: Path) -> None:
    (stored / "link").symlink_to("MLmodel")
    assert fetch(stored, tmp_path / "model").code == 0
    assert not (tmp_path / "model" / "link").is_symlink()
    assert there(tmp_path / "model") == BROUGHT | {"link": BROUGHT["MLmodel"]}


def broken(proxy: FaultProxy, path: str) -> None:
    proxy.cut(path=f"{path}$", at_byte=100_000, times=1)


def busy(proxy: FaultProxy, path: str) -> None:
    proxy.answer(503, path=f"{path}$", times=4)


def throttled(proxy: FaultProxy, path: str) -> None:
    proxy.answer(429, path=f"{path}$", times=4)


def hanging_up(proxy: FaultProxy, path: str) -> None:
    proxy.cut(path=f"{path}$", times=4)


@pytest.mark.thorough
@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("spoil", [broken, busy, throttled, hanging_up])
def test_what_passes_is_tried_again(
    server: ArtifactServer,
    fault_proxy: Callable[[Any], FaultProxy],
    tmp_path: Path,
    spoil: Callable[[FaultProxy, str], None],
    known: bool,
) -> None:
    proxy = fault_proxy(server)
    spoil(proxy, "model.pkl")
    uri = proxy.url + SERVICE + "/model"
    where = ["--tracking-uri", proxy.url] if known else []
    result = fetch(uri, tmp_path / "model", *where)
    assert result.code == 0, result
    assert there(tmp_path / "model") == BROUGHT


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda proxy: proxy.cut(path="model.pkl$", at_byte=1000), "cannot read model.pkl: "),
        (lambda proxy: proxy.answer(500, path="model.pkl$"), "500"),
        (lambda proxy: proxy.answer(403, path="model.pkl$"), "403"),
        (lambda proxy: proxy.answer(500, path="path="), "cannot list its files: "),
        (lambda proxy: proxy.answer(200, b"short", path="model.pkl$"), "5 bytes arrived"),
        (lambda proxy: proxy.answer(404, path="model.pkl$"), "404"),
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_what_stays_is_an_error_and_nothing_is_left(
    server: ArtifactServer,
    fault_proxy: Callable[[Any], FaultProxy],
    tmp_path: Path,
    spoil: Callable[[FaultProxy], None],
    words: str,
    known: bool,
) -> None:
    proxy = fault_proxy(server)
    spoil(proxy)
    uri = proxy.url + SERVICE + "/model"
    where = ["--tracking-uri", proxy.url] if known else []
    assert words in refused(fetch(uri, tmp_path / "model", *where))
    assert names(tmp_path) == []
    assert proxy.count(path="model.pkl$") <= 9


@pytest.mark.slow
@pytest.mark.parametrize("known", [True, False])
def test_a_file_has_the_time_that_its_size_takes_and_no_more(
    server: ArtifactServer,
    fault_proxy: Callable[[Any], FaultProxy],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    known: bool,
) -> None:
    monkeypatch.setattr(fetching, "_PAUSES", ())
    server.put({"model/slow": b"s" * 1000})
    proxy = fault_proxy(server)
    proxy.drip(0.002, path="slow$")  # longer than one request may take
    uri = proxy.url + SERVICE + "/model"
    where = ["--request-timeout", "1s", *(["--tracking-uri", proxy.url] if known else [])]
    error = refused(fetch(uri, tmp_path / "model", *where))
    assert "cannot read slow: no answer in time" in error
    monkeypatch.setattr(transport, "_SLOWEST", 10)
    assert fetch(uri, tmp_path / "model", *where).code == 0
    assert there(tmp_path / "model") == BROUGHT | {"slow": b"s" * 1000}


@pytest.mark.slow
def test_a_terminal_sees_how_far_it_is(server: ArtifactServer, tmp_path: Path) -> None:
    server.hold = threading.Event()
    leader, follower = pty.openpty()
    argv = [sys.executable, "-m", "m2s", "fetch", server.address("model"), str(tmp_path / "a")]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(argv, stderr=follower, env=environment)
    os.close(follower)
    said = b""
    while b"Fetching" not in said:
        said += os.read(leader, 1000)
    server.hold.set()
    with contextlib.suppress(OSError):  # which is how a terminal ends
        while more := os.read(leader, 1000):
            said += more
    os.close(leader)
    assert process.wait(60) == 0
    assert b"kB" in said
    assert b"Fetched: 3 files, 300013 bytes, " in said


def test_the_token_goes_to_the_tracking_server_only(
    server: ArtifactServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2-token")
    uri = server.address("model")
    assert fetch(uri, tmp_path / "a").code == 0
    assert fetch(uri, tmp_path / "b", "--tracking-uri", "http://127.0.0.1:1").code == 0
    assert not [headers for _, headers in server.seen if "hunter2" in str(headers)]
    server.seen.clear()
    assert fetch(uri, tmp_path / "c", "--tracking-uri", server.url).code == 0
    assert all("hunter2-token" in headers["Authorization"] for _, headers in server.seen)


def test_no_redirect_to_another_host_is_followed(
    server: ArtifactServer,
    fault_proxy: Callable[[Any], FaultProxy],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2-token")
    proxy = fault_proxy(server)
    proxy.answer(302, "", {"Location": server.address("model/model.pkl")}, path="model.pkl$")
    uri = proxy.url + SERVICE + "/model"
    error = refused(fetch(uri, tmp_path / "model", "--tracking-uri", proxy.url))
    assert "it redirects to" in error
    assert "hunter2" not in error
    assert proxy.count(path="model.pkl$") == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "Missing argument 'URI'"),
        (["s3://b/m"], "Missing argument 'DIR'"),
        (["s3://b/m", "out", "more"], "unexpected extra argument"),
        (["mode:/iris/1", "out"], "MLflow has no scheme 'mode'; did you mean models?"),
        (["", "out"], "MLflow has no scheme ''"),
        (["https://example.com/model", "out"], "not of MLflow's artifact service"),
        (["s3://b/m", "here.txt"], "DIR 'here.txt': it is no folder"),
        (["s3://b/m", ""], "DIR '': it is no folder"),
        (["models:/iris/1", "out"], "no registry: give --tracking-uri"),
        (["mlflow-artifacts:/0/x", "out"], "no registry: give --tracking-uri"),
        (["s3://id:hunter2hunter2@b/m", "out"], "give its secret in the environment"),
    ],
)
def test_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.txt").touch()
    result = fetch(*argv)
    assert result.code == 64
    assert words in result.error
    assert "hunter2" not in result.error
    assert names(tmp_path) == ["here.txt"]


def test_a_single_file_arrives(stored: Path, tmp_path: Path, server: ArtifactServer) -> None:
    assert fetch(stored / "model.pkl", tmp_path / "a").code == 0
    assert fetch(server.address("model/model.pkl"), tmp_path / "b").code == 0
    assert there(tmp_path / "a") == there(tmp_path / "b") == {"model.pkl": BROUGHT["model.pkl"]}


@pytest.mark.thorough
def test_what_is_not_there_is_one_line(
    stored: Path, tmp_path: Path, server: ArtifactServer, sqlite_registry: str
) -> None:
    assert "nothing is stored there" in refused(fetch(server.address("no"), tmp_path / "a"))
    assert "no such path on this machine" in refused(fetch(stored / "no", tmp_path / "a"))
    for uri in ("models:/none/1", "models:/none@champion", "models:/none", "runs:/0123/model"):
        assert uri in refused(fetch(uri, tmp_path / "a", "--tracking-uri", sqlite_registry))
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_a_folder_that_cannot_be_written_is_one_line(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def mkdir(path: Path, *_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code), str(path))

    monkeypatch.setattr(Path, "mkdir", mkdir)
    error = refused(fetch(stored, tmp_path / "model"))
    assert "cannot be written" in error
    assert os.strerror(code).lower() in error


def test_a_full_disk_ends_it_at_once(
    server: ArtifactServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("m2s.sources.mlflow.elsewhere.Elsewhere.save", save)
    assert "No space left" in refused(fetch(server.address("model"), tmp_path / "model"))
    assert names(tmp_path) == []


@pytest.mark.thorough
def test_it_comes_from_all_that_mlflow_knows_it_by(
    mlflow_server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_server.uri)
    number = sample.log_version(mlflow_server.uri, "fetched", sample.deploy_yaml("fetched"))
    client = mlflow.MlflowClient(mlflow_server.uri, mlflow_server.uri)
    client.set_registered_model_alias("fetched", "brought", str(number))
    version = client.get_model_version("fetched", str(number))
    model = str(version.source).removeprefix("models:/")
    artifacts = str(client.get_logged_model(model).artifact_location)
    path = artifacts.removeprefix("mlflow-artifacts:/")
    uris = [
        f"models:/fetched/{number}", "models:/fetched@brought", f"models:/{model}",
        f"runs:/{version.run_id}/model", artifacts, f"{mlflow_server.url}{SERVICE}/{path}",
    ]  # fmt: skip
    for each, uri in enumerate(uris):
        result = fetch(uri, tmp_path / str(each))
        assert result.code == 0, result
        assert there(tmp_path / str(each)) == there(tmp_path / "0"), uri
    assert {"MLmodel", "requirements.txt"} <= set(there(tmp_path / "0"))
    assert fetch(uris[0], tmp_path / "1").err.startswith("Was there already")  # by its alias
    assert mlflow.pyfunc.load_model(str(tmp_path / "0")).predict(["a"]) == ["a"]
