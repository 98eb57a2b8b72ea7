"""Results and their bars as Markdown; ratios first, because they hold on any machine."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One result. ``met`` is None where no bar was set or it could not be measured."""

    what: str
    result: str
    bar: str = ""
    met: bool | None = None

    def __str__(self) -> str:
        """As a line of a Markdown table."""
        verdict = {True: "met", False: "**not met**", None: ""}[self.met]
        return f"| {self.what} | {self.result} | {self.bar} | {verdict} |"


HEAD = ("| what | result | bar | |", "|---|---|---|---|")


TIMES = "\N{MULTIPLICATION SIGN}"


def times(value: float) -> str:
    """Return a ratio as it is shown."""
    return f"{value:.1f}{TIMES}"


def at_most(what: str, value: float, bar: float, detail: str = "", unit: str = TIMES) -> Row:
    """Return a row whose ``value`` should not be above its bar."""
    result = f"{value:.2f}{unit}" + (f" ({detail})" if detail else "")
    return Row(what, result, f"at most {bar:g}{unit}", value <= bar)


def at_least(what: str, value: float, bar: float, detail: str = "") -> Row:
    """Return a row whose ``value`` should not be below its bar."""
    result = times(value) + (f" ({detail})" if detail else "")
    return Row(what, result, f"at least {bar:g}{TIMES}", value >= bar)


def markdown(sections: Iterable[tuple[str, Sequence[Row]]]) -> str:
    """Return every section as a table under its heading."""
    parts = []
    for title, rows in sections:
        parts += [f"## {title}", "", *HEAD, *map(str, rows), ""]
    return "\n".join(parts)


def machine() -> list[str]:
    """Return what it ran on, a line each; nothing that tells whose machine it is."""
    cpu = "unknown"
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"model name\s*: (.+)", info.read_text())):
        cpu = found[1]
    memory = "unknown"
    about = Path("/proc/meminfo")
    if about.exists() and (found := re.search(r"MemTotal:\s*(\d+)", about.read_text())):
        memory = f"{int(found[1]) / 1024**2:.0f} GiB"
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()
    libraries = ("mlflow", "kubernetes", "typer", "rich", "deepdiff", "PyYAML")
    return [
        f"- {datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}",
        f"- {cpu}, {cores} cores, {memory}; all servers ran on the same ones",
        f"- load average at the start {load[0]:.1f}, {load[1]:.1f}, {load[2]:.1f}",
        f"- {', '.join(f'{name} {version(name)}' for name in libraries)}",
        f"- kubectl {kubectl()}",
    ]


def kubectl() -> str:
    """Return kubectl's version, or that there is none."""
    try:
        said = subprocess.run(
            ["kubectl", "version", "--client"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "none: not compared with"
    found = re.search(r"Client Version: (\S+)", said.stdout)
    return found[1] if found else "of an unknown version"
