"""The fixture of a cluster with KServe, and what is said when there is none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controllers import binary as controllers
from tests.kserve import binary
from tests.kserve.cluster import KserveCluster

NO_KSERVE = "KServe not tested: "


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test on KServe is slow, and one of `make test-serving`."""
    if "kserve_cluster" in getattr(item, "fixturenames", ()):
        item.add_marker("slow")
        item.add_marker("serving")


@pytest.fixture(scope="session")
def kserve_cluster(
    api_server_binaries: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KserveCluster]:
    """The cluster with KServe that tests share: use namespaces of your own."""
    kserve, control = binary.find(), controllers.find()
    if kserve is None or control is None:
        missing = pytest.fail if os.environ.get("M2S_REQUIRE_CLUSTER") == "1" else pytest.skip
        missing(NO_KSERVE + binary.HINT)
    folder = tmp_path_factory.mktemp("kserve")
    cluster = KserveCluster(api_server_binaries, kserve, control, folder)
    yield cluster
    cluster.close()


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly when there was no KServe."""
    outcomes = terminalreporter.stats
    reports = [*outcomes.get("skipped", ()), *outcomes.get("error", ())]
    if missed := sum(NO_KSERVE in str(report.longrepr) for report in reports):
        terminalreporter.section("KSERVE NOT TESTED", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"{missed} tests did not run: {binary.HINT}")
