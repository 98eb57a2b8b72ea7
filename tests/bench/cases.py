"""What is measured, each case a section of the table."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.measure import Command, Runs, Sample, side_by_side
from tests.bench.table import TIMES, Row, at_least, at_most, times
from tests.bench.world import MOVED, WARM, World

DIFFERENT = frozenset({0, 1})
"""The exit codes of ``kubectl diff``: 1 says that something differs."""
PLAIN = "--no-preflight"


@dataclass(frozen=True)
class Turns:
    """Several commands that take turns each time one is to be run."""

    commands: Iterator[Command]

    def run(self) -> Sample:
        """Run the next one."""
        return next(self.commands).run()


def _seconds(samples: Mapping[str, Sample]) -> str:
    return ", ".join(f"{name} {one.seconds:.2f} s" for name, one in samples.items())


def load(world: World) -> list[Row]:
    """Deploy everything once, Production too: the first apply, with every file to be fetched."""
    taken = world.m2s("apply", "--yes").run()
    world.m2s("apply", "--yes", stage="Production").run()
    rate = world.models / taken.seconds
    what = f"first apply of {world.models:,}, nothing cached"
    return [Row(what, f"{taken.seconds:.1f} s, {rate:.0f} a second")]


def has_kubectl() -> bool:
    """Whether there is a kubectl to compare with."""
    return shutil.which("kubectl") is not None


def export(world: World) -> list[Row]:
    """Write the manifests for kubectl, as they are and for another bucket; apply the first."""
    for folder, bucket in (("warm", WARM), ("moved", MOVED)):
        target = f"dir:{world.folder / folder}"
        argv = ("apply", "--yes", "--target", target)
        flags = ("--stage", "Staging", "-n", world.names.kubectl, "--model-uri-map")
        mapped = f"mlflow-artifacts:/={bucket}"
        world.script(*argv, *flags, mapped).run()
    _kubectl_apply(world, "warm").run()
    _floor_apply(world, "warm").run()
    return []


def _kubectl_apply(world: World, folder: str) -> Command:
    where = str(world.folder / folder / world.names.kubectl)
    return world.kubectl("apply", "--server-side", "-f", where)


def _floor_apply(world: World, folder: str, *what: str) -> Command:
    where = str(world.folder / folder / world.names.kubectl)
    return world.python("-m", "tests.bench.floor", world.names.bare, where, *what)


def in_sync(world: World, runs: int) -> list[Row]:
    """Plan in sync, against kubectl diff and against the floor."""
    commands = {
        "m2s": world.m2s("plan"),
        "floor": world.python("-m", "tests.bench.floor", world.names.all),
    }
    if has_kubectl():
        where = str(world.folder / "warm" / world.names.kubectl)
        diff = world.kubectl("diff", "--server-side", "-f", where, ok=DIFFERENT)
        commands["kubectl diff"] = diff
    taken = side_by_side(commands, runs)
    rows = [Row(f"plan, all of {world.models:,} in sync", _seconds(taken))]
    if "kubectl diff" in taken:
        faster = taken["kubectl diff"].seconds / taken["m2s"].seconds
        rows.append(at_least("faster than `kubectl diff --server-side`", faster, 5))
    else:
        rows.append(Row("against `kubectl diff --server-side`", "no kubectl here"))
    floor = taken["m2s"].seconds / taken["floor"].seconds
    cpu = taken["m2s"].cpu / taken["floor"].cpu
    rows.append(at_most("of the floor: same requests, bare client, bare imports", floor, 1.3))
    rows.append(Row("the same in CPU seconds", f"{cpu:.2f}{TIMES}"))
    return rows


def apply(world: World, runs: int) -> list[Row]:
    """Change every deployment: the models' bucket moves, there and back."""
    buckets = itertools.cycle((MOVED, WARM))
    commands: dict[str, Runs] = {
        "m2s": Turns(world.m2s("apply", "--yes", bucket=each) for each in buckets)
    }
    if has_kubectl():
        folders = itertools.cycle(("moved", "warm"))
        commands["kubectl apply"] = Turns(_kubectl_apply(world, each) for each in folders)
        again = itertools.cycle(("moved", "warm"))
        commands["floor"] = Turns(_floor_apply(world, each) for each in again)
        # In the floor's namespace: what one moved the other moves back, whoever comes first.
        commands["writes"] = Turns(_floor_apply(world, each, "writes") for each in again)
    taken = side_by_side(commands, runs)
    rows = [Row(f"apply of {world.models:,} changes", _seconds(taken))]
    if "kubectl apply" in taken:
        ours, floor, theirs = (taken[name].seconds for name in ("m2s", "floor", "kubectl apply"))
        rows.append(at_least("faster than `kubectl apply --server-side`", theirs / ours, 5))
        rows.append(Row("what the floor comes to there", times(theirs / floor)))
        alone = times(theirs / taken["writes"].seconds)
        rows.append(Row("what its writes alone come to, without a plan or a dry-run", alone))
        rows.append(
            Row("of the floor: plan, dry-run and apply by a bare client", times(ours / floor))
        )
    else:
        rows.append(Row("against `kubectl apply --server-side`", "no kubectl here"))
    world.m2s("apply", "--yes").run()  # the bucket that the other cases know
    return rows


def growth(worlds: Sequence[World], runs: int) -> list[Row]:
    """Time and peak memory of a plan in sync at every size."""
    commands = {f"{world.models}": world.m2s("plan") for world in worlds}
    taken = side_by_side(commands, runs)
    received = {world.models: _received(world) for world in worlds}
    rows = [
        Row(
            f"plan at {int(size):,}",
            f"{one.seconds:.2f} s, CPU {one.cpu:.2f} s, peak {one.peak / 2**20:.0f} MiB,"
            f" {received[int(size)] / 2**20:.1f} MiB received",
        )
        for size, one in taken.items()
    ]
    sizes = sorted(map(int, taken))
    for small, large in itertools.pairwise(sizes):
        ratio = taken[str(large)].seconds / taken[str(small)].seconds
        rows.append(at_most(f"time at {large:,} against {small:,}", ratio, large / small))
    first, last = taken[str(sizes[0])], taken[str(sizes[-1])]
    bound = 2 * first.peak + received[sizes[-1]]
    rows.append(
        at_most(
            f"peak at {sizes[-1]:,} against twice that at {sizes[0]:,} and what was received",
            last.peak / bound,
            1,
            f"{last.peak / 2**20:.0f} of {bound / 2**20:.0f} MiB",
        )
    )
    return rows


def _received(world: World) -> float:
    command = world.python("-m", "tests.bench.received", *world.flags())
    return float(command.answer())


def fetching(world: World, runs: int) -> list[Row]:
    """Fetch every deploy.yaml with nothing cached, one at a time and several."""
    commands = {
        "one at a time": world.m2s("plan", "--no-cache", PLAIN, "--concurrency", "1"),
        "8 at a time": world.m2s("plan", "--no-cache", PLAIN),
        "cached": world.m2s("plan", PLAIN),
    }
    taken = side_by_side(commands, runs)
    one, eight, cached = taken.values()
    what = f"plan of {world.models:,}, deploy.yaml fetched"
    return [
        Row(what, _seconds(taken)),
        Row(
            "8 at a time against one, one MLflow worker",
            times(one.seconds / eight.seconds),
        ),
        Row("cached against 8 at a time", times(eight.seconds / cached.seconds)),
    ]


def startup(world: World, runs: int) -> list[Row]:
    """Start-up, as ratios to an empty program and to the bare imports."""
    empty = world.api.namespace("empty")
    plan = ("plan", "--stage", "Production", "--model", "none-such", "-n", empty)
    complete = {"_M2S_COMPLETE": "complete_bash", "COMP_WORDS": "m2s pl", "COMP_CWORD": "1"}
    commands = {
        "python -c pass": world.python("-c", "pass"),
        "m2s --help": world.script("--help"),
        "completion": world.script(env=complete),
        "bare imports": world.python("-c", "import mlflow, kubernetes.client, typer, yaml"),
        "m2s plan, nothing there": world.script(*plan),
    }
    taken = side_by_side(commands, runs)
    bare, helped, completed, imports, planned = taken.values()
    more = planned.seconds / imports.seconds
    return [
        Row("start-up", _seconds(taken)),
        at_most("`m2s --help` against `python -c pass`", helped.seconds / bare.seconds, 6),
        Row("completion against `python -c pass`", times(completed.seconds / bare.seconds)),
        Row(
            "`m2s plan` of nothing against bare imports",
            f"{more:.2f}{TIMES}",
        ),
    ]
