"""What is asked on a terminal, and what happens without one."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kits.support import m2s
from tests.kits.worlds import World
from tests.servers import wait_for


def on_a_terminal(world: World, command: str, answer: str) -> tuple[int, str]:
    """Run a command on a pseudo-terminal, answer if it asks, return its code and all it said."""
    leader, follower = pty.openpty()
    argv = [sys.executable, "-m", "m2s", *command.split(), *world.flags]
    process = subprocess.Popen(argv, stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    said = bytearray()
    wait_for(_asked(leader, said), "the question")
    if answer:
        os.write(leader, answer.encode())
    while _read(leader, said):
        pass
    os.close(leader)
    return process.wait(timeout=60), said.decode()


def _asked(leader: int, said: bytearray) -> Callable[[], bool]:
    return lambda: not _read(leader, said) or b"[y/N]" in said


def _read(leader: int, said: bytearray) -> bool:
    waiting = select.poll()  # select() takes no descriptor above 1023
    waiting.register(leader, select.POLLIN | select.POLLHUP)
    assert waiting.poll(60_000), said
    try:
        piece = os.read(leader, 65536)
    except OSError:  # Linux' way to say that nobody writes any more
        return False
    said += piece
    return bool(piece)


@pytest.mark.thorough
def test_a_terminal_is_told_how_far_a_plan_is(on_folder: World) -> None:
    on_folder.models.add("iris")
    done, said = on_a_terminal(on_folder, "plan", "")
    assert done == 0, said
    assert "Comparing" in said
    assert "Plan: 1 to create" in said
    alone = m2s("plan", *on_folder.flags)
    assert (alone.code, alone.err) == (0, "")
    assert "Comparing" not in alone.out


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("answer", "code", "files"),
    [("y\n", 0, {"iris-staging"}), ("n\n", 1, set()), ("\x04", 130, set())],
)
def test_apply_asks_on_a_terminal(
    on_folder: World, answer: str, code: int, files: set[str]
) -> None:
    on_folder.models.add("iris")
    done, said = on_a_terminal(on_folder, "apply", answer)
    assert done == code, said
    assert "Carry out 1 change? [y/N]" in said
    assert "Traceback" not in said
    assert on_folder.objects.snapshot().keys() == files


@pytest.mark.thorough
def test_prune_asks_on_a_terminal_and_names_what_goes(on_folder: World) -> None:
    on_folder.models.add("iris")
    on_folder.apply()
    done, said = on_a_terminal(on_folder, "prune --all", "y\n")
    assert done == 0
    assert said.index("iris-staging") < said.index("[y/N]")
    assert on_folder.objects.snapshot() == {}


@pytest.mark.parametrize("everything", [(), ("--all",)])
def test_prune_without_a_terminal_wants_yes(on_folder: World, everything: tuple[str, ...]) -> None:
    on_folder.models.add("iris")
    on_folder.apply()
    before = on_folder.objects.snapshot()
    result = on_folder("prune", *everything)
    assert result.code == 64
    assert "--yes" in result.error
    assert on_folder.objects.snapshot() == before


def test_prune_wants_to_know_whose_objects(on_folder: World) -> None:
    on_folder.models.add("iris")
    on_folder.apply()
    result = m2s("prune", "--all", "--yes", *on_folder.flags[2:])
    assert result.code == 64
    assert "--owner" in result.error
    assert (
        m2s("prune", "--all", "--yes", "--owner", "stage-staging", *on_folder.flags[2:]).code == 0
    )
    assert on_folder.objects.snapshot() == {}


def test_the_teardown_needs_no_registry(on_folder: World, tmp_path: Path) -> None:
    on_folder.models.add("iris")
    on_folder.apply()
    (tmp_path / "registry" / "mlflow.db").unlink()
    result = on_folder("prune", "--all", "--yes")
    assert result.code == 0
    assert "iris-staging" in result.out
    assert on_folder.objects.snapshot() == {}
