"""The folder of kept values: nothing that is wrong with it is worse than a miss."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from m2s.sources.mlflow.cache import Cache, default_folder

VALUE = {"uri": "s3://models/1", "file": "größe"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_what_was_put_is_found_by_another_process_object_and_by_no_other_key(folder: Path) -> None:
    Cache(folder).put(VALUE, "description", "iris", "1")
    assert Cache(folder).get("description", "iris", "1") == VALUE
    assert Cache(folder).get("description", "iris", "2") is None
    assert Cache(folder).get("description", "iris1") is None


def test_nobody_else_may_read_it(folder: Path) -> None:
    Cache(folder).put(VALUE, "a")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(only_file(folder).stat().st_mode) == 0o600


def test_a_folder_that_others_can_enter_is_neither_read_nor_written(folder: Path) -> None:
    cache = Cache(folder)
    cache.put(VALUE, "a")
    folder.chmod(0o755)
    cache.put(VALUE, "b")
    assert cache.get("a") is None
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\x00", b"0\n{}", b"[" * 100_000])
def test_a_damaged_entry_is_a_miss_and_is_written_anew(folder: Path, content: bytes) -> None:
    cache = Cache(folder)
    cache.put(VALUE, "a")
    only_file(folder).write_bytes(content)
    assert cache.get("a") is None
    cache.put(VALUE, "a")
    assert cache.get("a") == VALUE


def test_one_flipped_or_missing_byte_is_a_miss(folder: Path) -> None:
    cache = Cache(folder)
    cache.put(VALUE, "a")
    whole = only_file(folder).read_bytes()
    for place in range(0, len(whole), 7):
        only_file(folder).write_bytes(whole[:place] + b"#" + whole[place + 1 :])
        assert cache.get("a") in (None, VALUE)
        assert cache.get("a") is None or whole[place : place + 1] == b"#"
        only_file(folder).write_bytes(whole[:place])
        assert cache.get("a") is None


def test_an_entry_under_another_key_s_name_is_a_miss(folder: Path) -> None:
    cache = Cache(folder)
    cache.put({"of": "b"}, "b")
    theirs = only_file(folder).read_bytes()
    only_file(folder).unlink()
    cache.put(VALUE, "a")
    only_file(folder).write_bytes(theirs)
    assert cache.get("a") is None


def test_where_nothing_can_be_written_nothing_is_kept_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = Cache(tmp_path / "file" / "cache")
    cache.put(VALUE, "a")
    assert cache.get("a") is None


def test_it_stays_within_its_limit_and_drops_what_was_not_used_for_longest(folder: Path) -> None:
    cache = Cache(folder, limit=20_000)
    for number in range(10):
        cache.put({"text": "x" * 3000}, str(number))
    now = time.time()
    for age, path in enumerate(sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)):
        os.utime(path, (now, now - (20 - age) * 86400))
    assert cache.get("0")  # the oldest is used again
    cache.sweep()
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 20_000
    assert cache.get("0")
    assert cache.get("9")
    assert cache.get("1") is None


def test_many_puts_bound_it_without_anybody_asking(folder: Path) -> None:
    cache = Cache(folder, limit=100_000)
    for number in range(1100):
        cache.put({"text": "x" * 1000}, str(number))
    assert sum(path.stat().st_size for path in folder.iterdir()) < 100_000 + 600 * 1200


def test_what_a_killed_process_left_half_written_goes(folder: Path) -> None:
    cache = Cache(folder)
    cache.put(VALUE, "a")
    (folder / "tmp123").write_bytes(b"half")
    os.utime(folder / "tmp123", (0, 0))
    (folder / "tmp124").write_bytes(b"being written")
    cache.sweep()
    assert not (folder / "tmp123").exists()
    assert (folder / "tmp124").exists()
    assert cache.get("a") == VALUE


WRITER = """
import sys
from pathlib import Path
from m2s.sources.mlflow.cache import Cache
cache = Cache(Path(sys.argv[1]), limit=200_000)
for number in range(2000):
    cache.put({"text": sys.argv[2] * (number % 5000), "length": number % 5000}, "shared")
    cache.put({"text": "y" * 2000}, sys.argv[2], str(number))
"""


@pytest.mark.thorough
@pytest.mark.server
def test_two_processes_never_see_each_other_s_halves(folder: Path) -> None:
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, folder, who]) for who in "ab"]
    cache, seen = Cache(folder), 0
    while any(writer.poll() is None for writer in writers):
        found = cache.get("shared")
        if found:
            seen += 1
            assert len(found["text"]) == found["length"]
            assert len(set(found["text"])) <= 1
    assert [writer.wait() for writer in writers] == [0, 0]
    assert seen
    # Only whole entries are left, and no more than a writer's share above the limit.
    assert all(path.suffix == ".json" for path in folder.iterdir())


def test_readers_survive_that_entries_go_under_their_hands(folder: Path) -> None:
    cache = Cache(folder)
    for number in range(200):
        cache.put(VALUE, str(number))
    Cache(folder, limit=0).sweep()
    assert list(folder.iterdir()) == []
    assert cache.get("1") is None


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert default_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/m2s/registry")
    monkeypatch.setenv("HOME", str(tmp_path))
    home = tmp_path / ".cache" / "m2s" / "registry"
    assert default_folder({}) == default_folder({"XDG_CACHE_HOME": "relative"}) == home


def test_a_value_is_json_that_people_can_read(folder: Path) -> None:
    Cache(folder).put(VALUE, "a")
    _, content = only_file(folder).read_bytes().split(b"\n", 1)
    assert json.loads(content) == VALUE
