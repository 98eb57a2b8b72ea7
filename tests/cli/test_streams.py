"""Whatever a stream's encoding, and whether it can be written at all: one line, the right code."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from m2s.cli import main
from tests.kits.support import seldon
from tests.kits.worlds import STAGING, World

ENCODINGS = ("ascii", "latin-1", "cp1252", "utf-8")
OUTPUTS = ("table", "json", "yaml", "markdown")
MODEL = "größe → 日本 🦊"
STATUS = ("status",)


@pytest.fixture
def world(on_folder: World) -> World:
    """A model whose name and description no small encoding can say."""
    body = seldon("fox")
    body["metadata"]["annotations"] = {"about": f"für {MODEL}\u2028\x85"}
    body["spec"]["predictors"][0]["graph"]["parameters"] = [
        {"name": "größe", "value": "日本", "type": "STRING"}
    ]
    on_folder.models.add(MODEL, yaml.safe_dump(body, allow_unicode=True))
    return on_folder


def commands(world: World) -> list[tuple[str, ...]]:
    where = world.flags[2:]
    return [
        ("plan", *STAGING, *where),
        ("plan", "--detailed-exitcode", *STAGING, *where),
        ("apply", *STAGING, *where),
        ("status", *where[2:]),
        ("plan", "--explain", "fox", *STAGING, *where),
    ]


def written(argv: tuple[str, ...], encoding: str) -> tuple[int, str]:
    """Run a command on streams of this encoding; return its code and both texts."""
    out, err = io.BytesIO(), io.BytesIO()
    streams = [io.TextIOWrapper(raw, encoding=encoding, write_through=True) for raw in (out, err)]
    with contextlib.redirect_stdout(streams[0]), contextlib.redirect_stderr(streams[1]):
        code = main(argv)
    # Typer writes UTF-8 where it is told that ASCII is all there is.
    taken = "utf-8" if encoding == "ascii" else encoding
    return code, out.getvalue().decode(taken) + err.getvalue().decode(taken)


@pytest.mark.thorough
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_command_can_say_it_in_every_encoding(world: World, encoding: str) -> None:
    for output in OUTPUTS:
        for argv in commands(world):
            code, said = written((*argv, "-o", output), encoding)
            assert code in ({0, 2} if "--detailed-exitcode" in argv else {0}), said
            assert "Traceback" not in said
            assert "fox" in said, argv
            if output == "json" and argv[0] == "status":
                (row,) = json.loads(said)["deployments"]
                assert row["models"][0]["model"] == MODEL
    code, said = written(("plan", "--explain", MODEL, *world.flags), encoding)
    assert (code, said.count("Error: "), "Traceback" in said) == (64, 1, False), said


SOME = [(0, "json"), (2, "markdown"), (3, "table")]
"""Of :func:`commands`, each in another output."""
FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk here")


def process(argv: tuple[str, ...], how: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a process, its standard output closed, full, or a pipe nobody reads."""
    line = '"$0" -m m2s "$@"' + {"closed": " >&-", "full": " > /dev/full", "left": " | :"}[how]
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}", sys.executable, *argv],
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )  # fmt: skip


@pytest.mark.thorough
@FULL
@pytest.mark.parametrize(
    ("number", "output"),
    [(0, "json"), *[pytest.param(*each, marks=pytest.mark.slow) for each in SOME[1:]]],
)
def test_a_full_disk_is_one_line(world: World, number: int, output: str) -> None:
    done = process((*commands(world)[number], "-o", output), "full")
    assert done.returncode == 1, done
    (line,) = done.stderr.splitlines()[-1:]
    assert line == "Error: standard output cannot be written: no space left on device"
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.slow  # processes
@pytest.mark.parametrize(("how", "codes"), [("closed", {0}), ("left", {0, 141})])
def test_a_stream_that_nobody_reads_is_nobodys_error(
    world: World, how: str, codes: set[int]
) -> None:
    for number, output in SOME:
        done = process((*commands(world)[number], "-o", output), how)
        assert done.returncode in codes, done
        assert "Traceback" not in done.stderr
        assert "Exception ignored" not in done.stderr
        assert "Error" not in done.stderr
