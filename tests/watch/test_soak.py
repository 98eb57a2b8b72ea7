"""A thousand passes of ``m2s watch``: what it keeps in memory does not grow with them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.kits.day_kit import PASS
from tests.kits.support import Models, description
from tests.kits.watch_kit import Start
from tests.kits.worlds import Namespace
from tests.observers.test_metrics import CHANGES, Page
from tests.servers import ApiServer, FaultProxy, MlflowServer, wait_for
from tests.watch.test_watch import edited, replicas, version_of

pytestmark = [
    pytest.mark.slow,  # processes that are waited for; `make test-all` runs them
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read in /proc"),
]

UNRESTING = """
import sys
from m2s.cli import main
from m2s.watch.pace import Pace, Window
Pace.next = lambda pace, began, now, interval, **_: Window(now, now)
sys.exit(main())
"""
"""m2s that begins the next pass as soon as one has ended."""
WARM, PASSES, CALM = 200, 1000, 20
"""Passes before memory is first looked at, in all, and from one change to the next."""
GROWTH = 6 * 1024
"""KiB: a leak of 8 KiB to a pass would be more."""


def resident(pid: int) -> int:
    """Return how many KiB of a process are in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def test_memory_stays_flat_over_a_thousand_passes(
    mlflow_server: MlflowServer, api_server: ApiServer, namespace: str, start: Start,
    fault_proxy: Callable[..., FaultProxy],
) -> None:  # fmt: skip
    models = Models(mlflow_server.uri, mlflow_server.database)
    objects, proxy = Namespace(api_server, namespace), fault_proxy(api_server)
    for name in (f"soak-{number}" for number in range(5)):
        models.add(name, description(name))
        models.add(name, description(name), stage=None)
    config = api_server.kubeconfig(namespace=namespace, server=proxy.url)
    where = ("--tracking-uri", mlflow_server.uri, "--kubeconfig", str(config), "--leader-elect")
    unresting = partial(start, program=("-c", UNRESTING))
    argv = ("--stage", "Staging", "--model", "soak-*", "--policy", "sync", "--no-preflight")
    page = Page(unresting, *argv, *where)

    def passes() -> float:
        return page.value("m2s_reconcile_total", result="success") or 0

    def await_passes(goal: int) -> None:
        wait_for(lambda: passes() >= goal, f"{goal} passes")

    def promote_and_edit(version: int) -> None:
        models.move("soak-0", version, "Staging")
        wait_for(lambda: version_of(objects, "soak-0") == str(version), f"v{version}")
        objects.patch("soak-1", edited(7))
        wait_for(lambda: replicas(objects, "soak-1") == 1, "the edit to go")

    wait_for(lambda: len(objects.all()) == 5, "all of them")
    after: dict[int, int] = {}
    for done in range(CALM, PASSES + 1, CALM):
        promote_and_edit(done // CALM % 2 + 1)
        await_passes(done)
        after[done] = resident(page.watch.pid)
    full, changes = proxy.count("GET", PASS), 2 * PASSES / CALM
    updated = partial(page.value, CHANGES, action="update", status="updated")
    wait_for(lambda: updated() == changes, "every change to be counted")
    assert full >= changes  # passes that looked at everything, besides quiet ones
    assert passes() - full >= PASSES / 2
    assert not page.value("m2s_reconcile_total", result="error")
    assert after[PASSES] - after[WARM] < GROWTH, after
    assert page.watch.end() == 0
