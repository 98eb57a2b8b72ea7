"""Commands measured in turn: wall time, CPU and peak memory of a process and all it waited for."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Sample:
    """One run: seconds of the wall and of the CPU, and bytes at the peak."""

    seconds: float
    cpu: float
    peak: int


@dataclass(frozen=True)
class Command:
    """A command to be measured; ``ok`` are the exit codes that it may end with.

    ``before`` is run each time before it, and not measured.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    ok: frozenset[int] = frozenset({0})
    before: Callable[[], object] = lambda: None

    def run(self) -> Sample:
        """Run it once; raise RuntimeError with its last words when it fails."""
        self.before()
        log = self.cwd / "command.log"
        with log.open("wb") as output:
            begun = time.perf_counter()
            process = subprocess.Popen(
                self.argv,
                env=dict(self.env),
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begun
        process.returncode = code = os.waitstatus_to_exitcode(status)
        if code not in self.ok:
            said = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
            raise RuntimeError(f"{' '.join(self.argv)} ended with {code}:\n{said}")
        return Sample(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)

    def answer(self) -> str:
        """Run it once and return the last line that it printed."""
        done = subprocess.run(
            self.argv, env=dict(self.env), cwd=self.cwd, capture_output=True, text=True, check=False
        )
        if done.returncode not in self.ok:
            raise RuntimeError(f"{' '.join(self.argv)}:\n{done.stderr[-2000:]}")
        return done.stdout.splitlines()[-1]


class Runs(Protocol):
    """What can be run over and over."""

    def run(self) -> Sample:
        """Run it once, to its good end."""


def side_by_side(commands: Mapping[str, Runs], times: int) -> dict[str, Sample]:
    """Return each command's medians of ``times`` runs, after one that does not count.

    They take turns, in one order and then in the other, so that what slows the machine down for a
    while slows all of them.
    """
    taken: dict[str, list[Sample]] = {name: [] for name in commands}
    for command in commands.values():
        command.run()
    for turn in range(times):
        for name in list(commands) if turn % 2 == 0 else reversed(list(commands)):
            taken[name].append(commands[name].run())
    return {name: median(samples) for name, samples in taken.items()}


def median(samples: Sequence[Sample]) -> Sample:
    """Return the medians, each of its own."""
    return Sample(
        statistics.median(one.seconds for one in samples),
        statistics.median(one.cpu for one in samples),
        int(statistics.median(one.peak for one in samples)),
    )
