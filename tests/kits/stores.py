"""Object stores as fixtures: each a server that speaks its cloud's protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.azurite import program
from tests.servers.storage import S3, AzureBlob, GoogleStorage

NO_AZURITE = "no Azure Blob Storage: "
_AZURITE = program.find()  # now: the tests have another home folder, and so another cache


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """Moto's S3, shared: use a bucket of your own."""
    server = S3(tmp_path_factory.mktemp("s3") / "moto.log")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def azurite() -> Path:
    """The azurite-blob program; skips, or with M2S_REQUIRE_CLUSTER=1 fails."""
    if _AZURITE is None and os.environ.get("M2S_REQUIRE_CLUSTER") == "1":
        pytest.fail(NO_AZURITE + program.HINT)
    if _AZURITE is None:
        pytest.skip(NO_AZURITE + program.HINT)
    return _AZURITE


@pytest.fixture(scope="session")
def azure_blob(azurite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureBlob]:
    """Azurite, shared: use a container of your own."""
    server = AzureBlob(azurite, tmp_path_factory.mktemp("azure") / "azurite.log")
    yield server
    server.stop()


@pytest.fixture(scope="session")
def google_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleStorage]:
    """An emulated Google Cloud Storage, shared: use a bucket of your own."""
    server = GoogleStorage(tmp_path_factory.mktemp("gcs") / "emulator.log")
    yield server
    server.stop()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly when Azure Blob Storage was not tested."""
    outcomes = terminalreporter.stats
    reports = [*outcomes.get("skipped", ()), *outcomes.get("error", ())]
    if missed := sum(NO_AZURITE in str(report.longrepr) for report in reports):
        terminalreporter.section("NOT TESTED ON AZURE BLOB STORAGE", sep="!", red=True, bold=True)
        terminalreporter.write_line(f"{missed} tests did not run: {program.HINT}")
