"""What ``watch`` costs while nothing happens, and how soon it does what happens."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping, Sequence

from mlflow import MlflowClient

from tests.bench.fill import name_of
from tests.bench.table import Row, at_most
from tests.bench.world import World
from tests.kits.worlds import Namespace


def quiet(worlds: Sequence[World], passes: int) -> list[Row]:
    """Quiet passes of watch, with a part and with all of the models deployed, and by alias."""
    rows = []
    for stage, what in (("Production", "the first 100 deployed"), ("Staging", "all deployed")):
        found = {world.models: _quiet(world, stage, passes) for world in worlds}
        rows += [_quiet_row(f"quiet pass at {n:,}, {what}", each) for n, each in found.items()]
        small, large = found[min(found)], found[max(found)]
        for unit, name in (("seconds", "time"), ("cpu", "CPU"), ("bytes", "bytes")):
            what_more = f"{name} at {max(found):,} against {min(found):,}, {what}"
            rows.append(at_most(what_more, large[unit] / small[unit], 2))
    return rows


def _quiet(world: World, stage: str, passes: int) -> dict[str, float]:
    flags = world.flags(stage)
    given = ("--stage", flags[1], "--namespace", flags[3], "--model-uri-map", flags[5])
    argv = ("-m", "tests.bench.quiet", str(passes), *given)
    command = world.python(*argv)
    found: dict[str, float] = json.loads(command.answer())["quiet"]
    return found


def _quiet_row(what: str, one: Mapping[str, float]) -> Row:
    ms, cpu = one["seconds"] * 1000, one["cpu"] * 1000
    kib = one["bytes"] / 1024
    return Row(
        what, f"{one['requests']:.0f} requests, {kib:.0f} KiB, {ms:.0f} ms, CPU {cpu:.0f} ms"
    )


INTERVAL = 5.0


def promotion(world: World) -> list[Row]:
    """How long after a promotion the deployment is written, with ``m2s watch`` at work."""
    command = world.m2s("watch", "--interval", f"{INTERVAL:g}s", "--resync", "1h")
    log = (world.folder / "watch.log").open("wb")
    process = subprocess.Popen(
        command.argv, env=command.env, cwd=world.folder, stdout=log, stderr=log
    )
    client, objects = MlflowClient(world.mlflow.uri), Namespace(world.api, world.names.all)
    name = name_of(7)
    waits = []
    try:
        time.sleep(3 * INTERVAL + world.models / 200)  # the first pass reads everything
        for stages in (("Archived", "Staging"), ("Staging", "Archived")):
            begun = time.monotonic()
            # Version 1 alone in Staging is what is served then; with both it is version 2.
            client.transition_model_version_stage(name, "1", stages[1])
            client.transition_model_version_stage(name, "2", stages[0])
            waits.append(_await_version(objects, name, 1 if stages[1] == "Staging" else 2, begun))
    finally:
        process.terminate()
        process.wait(60)
        log.close()
    within = 1.1 * INTERVAL + 2  # the interval's jitter, and the pass itself
    what = f"promotion at {world.models:,} models until it is written, interval {INTERVAL:g} s"
    return [at_most(what, max(waits), within, unit=" s")]


def _await_version(objects: Namespace, name: str, version: int, begun: float) -> float:
    path = f"{objects.path}/{name}"
    while time.monotonic() - begun < 120:
        labels = objects.server.call("GET", path)["metadata"]["labels"]
        if labels["m2s.io/version"] == str(version):
            return time.monotonic() - begun
        time.sleep(0.05)
    raise RuntimeError(f"{name} was not written in two minutes")
