"""The fixture ``lab``, and what is said where there cannot be one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.controllers import binary as controllers
from tests.kserve import binary as kserve
from tests.pods.lab import Lab, Programs, obstacle

NO_LAB = "serving not tested: "


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test whose pods run is slow, and one of `make test-serving`."""
    if "lab" in getattr(item, "fixturenames", ()):
        item.add_marker("slow")
        item.add_marker("serving")


@pytest.fixture(scope="session")
def lab(
    api_server_binaries: Path, mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lab]:
    """The lab that tests share: use namespaces and model names of your own."""
    if (reason := obstacle()) is not None:
        missing(reason)
    if (control := controllers.find()) is None:
        missing(controllers.HINT)
    programs = Programs(
        api_server=api_server_binaries,
        controllers=control,
        template=mlflow_template,
        kserve=kserve.find(),
    )
    made = Lab(programs, tmp_path_factory.mktemp("lab"))
    yield made
    made.close()


def missing(reason: str) -> NoReturn:
    """Skip; where nothing may be skipped, fail."""
    if os.environ.get("CI") == "true" or os.environ.get("M2S_REQUIRE_CLUSTER") == "1":
        pytest.fail(NO_LAB + reason)
    pytest.skip(NO_LAB + reason)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say loudly when no pod ran."""
    outcomes = terminalreporter.stats
    reports = [*outcomes.get("skipped", ()), *outcomes.get("error", ())]
    reasons = {str(report.longrepr).partition(NO_LAB)[2] for report in reports} - {""}
    if reasons:
        terminalreporter.section("SERVING NOT TESTED", sep="!", red=True, bold=True)
        for reason in sorted(reasons):
            terminalreporter.write_line(reason.rstrip("')"))
