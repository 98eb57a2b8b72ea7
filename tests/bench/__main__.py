"""Measure everything and print one table: ``python -m tests.bench [--quick] [--write FILE]``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.bench import cases, watching
from tests.bench.table import Row, machine, markdown
from tests.bench.world import World, worlds

_ABOUT = """\
# Benchmarks

`make bench` starts a real MLflow server for each size and a real Kubernetes API server with the
CRD, fills them, and measures. Every comparison is made side by side in one run, on the same data,
in one order and then in the other; results are medians. m2s is what `pip install .` gives. Ratios
are what holds on another machine; seconds are of the one below. `make bench BENCH_ARGS=--quick`
takes a few minutes on little data.
"""


def main(argv: Sequence[str]) -> None:
    """Run the benchmarks and print, and perhaps write, their table."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="little data, one run of each")
    parser.add_argument("--sizes", default="", help="models in the registries: 100,1000,10000")
    parser.add_argument("--times", type=int, default=0, help="runs of each, of which the median")
    parser.add_argument(
        "--write", type=Path, help="write the table to this file, too; not if quick"
    )
    given = parser.parse_args(argv)
    default = "20,100,300" if given.quick else "100,1000,10000"
    sizes = tuple(int(size) for size in (given.sizes or default).split(","))
    times = given.times or (1 if given.quick else 5)
    ran_on = machine()
    with tempfile.TemporaryDirectory(prefix="m2s-bench-") as folder:
        say(f"starting servers, filling {', '.join(f'{size:,}' for size in sizes)} models")
        with worlds(Path(folder), sizes) as found:
            sections = measure(found, sizes, times)
    how = f"- sizes {', '.join(f'{size:,}' for size in sizes)}; medians of {times}"
    head = "\n".join((_ABOUT, "## The last run", "", *ran_on, how, ""))
    text = f"{head}\n{markdown(sections)}"
    sys.stdout.write(text)
    if given.write and not given.quick:
        given.write.parent.mkdir(exist_ok=True)
        given.write.write_text(text)


def measure(
    found: dict[int, World], sizes: Sequence[int], times: int
) -> list[tuple[str, list[Row]]]:
    """Return every section's rows."""
    every = [found[size] for size in sizes]
    middle = every[len(every) // 2]
    loaded = [step(f"load {one.models:,}", partial(cases.load, one)) for one in every]
    if cases.has_kubectl():
        step("export for kubectl", lambda: cases.export(middle))
    return [
        ("First apply", [row for rows in loaded for row in rows]),
        ("Plan, all in sync", step("in sync", lambda: cases.in_sync(middle, times))),
        ("Apply", step("apply", lambda: cases.apply(middle, times))),
        ("Watch", step("quiet passes", lambda: watching.quiet(every, max(times, 3)))),
        ("Promotion", step("promotion", lambda: watching.promotion(every[-1]))),
        ("Growth", step("growth", lambda: cases.growth(every, times))),
        ("Fetching", step("fetching", lambda: cases.fetching(middle, min(times, 3)))),
        ("Start-up", step("start-up", lambda: cases.startup(every[0], 2 * times + 1))),
    ]


def step(what: str, run: Callable[[], list[Row]]) -> list[Row]:
    """Run one case, saying so and how long it took; one that fails is a row that says so."""
    begun = time.monotonic()
    try:
        rows = run()
    except (RuntimeError, OSError) as error:
        rows = [Row(what, f"failed: {str(error).splitlines()[-1]}", "", met=False)]
        say(str(error))
    say(f"{what}: {time.monotonic() - begun:.0f} s")
    return rows


def say(text: str) -> None:
    """Tell on the other stream what goes on."""
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
