"""Laws 2 and 4 with a person in between, who pauses, rolls back and lifts that again."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from hypothesis import given
from hypothesis import strategies as st

from m2s.base.errors import M2sError
from m2s.base.labels import PAUSED
from m2s.domain.deployments import LiveDeployment
from m2s.engine.execute import execute
from m2s.engine.rollback import make_rollback, make_unpin
from m2s.objects.yaml_writer import dump
from m2s.settings.groups import Settings
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.generated import Version, all_settings, filled, histories
from tests.kits.support import tried
from tests.laws.test_law_convergence import converge

Order = tuple[str, int]
ORDERS = st.lists(
    st.tuples(st.sampled_from(["pause", "resume", "rollback", "unpin"]), st.integers(0, 3)),
    max_size=3,
)


def give(order: Order, cluster: FolderCluster, chosen: Settings, folder: Path) -> None:
    """Follow an order about one of the deployments, if there is one."""
    what, number = order
    there = [live for live in cluster.list() if live.owner in chosen.owners]
    if not there:
        return
    live = there[number % len(there)]
    if what in ("pause", "resume"):
        mark(folder / f"{live.key.name}.yaml", "true" if what == "pause" else "false")
        return
    with contextlib.suppress(M2sError):  # it has served nothing else yet
        planned = (
            make_rollback(cluster, chosen, live.key.name, None)
            if what == "rollback"
            else make_unpin(cluster, chosen, live.key.name)
        )
        assert all(outcome.ok for outcome in execute(planned, cluster))


def mark(file: Path, value: str) -> None:
    body = yaml.safe_load(file.read_text())
    body["metadata"]["annotations"][PAUSED] = value
    file.write_bytes(dump(body))


def ordered(cluster: FolderCluster, chosen: Settings) -> Mapping[str, LiveDeployment]:
    """What an order is about."""
    ours = [live for live in cluster.list() if live.owner in chosen.owners]
    return {live.key.name: live for live in ours if live.paused or live.pin}


@tried(100)
@given(
    history=histories(4),
    chosen=all_settings(),
    orders=st.lists(ORDERS, min_size=4, max_size=4),
)
def test_orders_are_kept_and_the_rest_converges(
    history: list[Mapping[str, list[Version]]], chosen: Settings, orders: list[list[Order]]
) -> None:
    with TemporaryDirectory() as path:
        cluster = FolderCluster(path, "default")
        for state, given_now in zip(history, orders, strict=False):
            converge(filled(state), cluster, chosen)
            for order in given_now:
                give(order, cluster, chosen, Path(path) / "default")
            before = ordered(cluster, chosen)
            converge(filled(state), cluster, chosen)
            after = ordered(cluster, chosen)
            assert after.keys() == before.keys()
            for name, live in before.items():
                if live.paused:
                    assert after[name].body == live.body
                assert after[name].served == live.served
                assert after[name].pin == live.pin
