"""The matrix of faults: a spread sample here, all of it by `make soak`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from zlib import crc32

import pytest

from tests.kits.worlds import both_proxied
from tests.servers import ApiServer, FaultProxy, MlflowServer
from tests.soak.matrix import Cell, Matrix
from tests.soak.scenes import Theatre

SAMPLE = 30 if os.environ.get("M2S_TEST_ALL") == "1" else 12
PARTS = 2
"""Of the whole, for as many processors."""
pytestmark = [pytest.mark.server, pytest.mark.cluster]
Note = Callable[[str, object], None]


@pytest.fixture(scope="module")
def matrix(mlflow_server: MlflowServer, api_server: ApiServer) -> Iterator[Matrix]:
    """Both servers behind proxies, filled; and one more of each, which nobody may be led to."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        patch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
        patch.setenv("M2S_CACHE", "false")
        patch.setattr("m2s.base.waiting.AFTER", 600.0)
        world = stack.enter_context(both_proxied(mlflow_server, api_server))
        elsewhere = {
            "mlflow": stack.enter_context(closing(FaultProxy(mlflow_server))),
            "kubernetes": stack.enter_context(closing(FaultProxy(api_server))),
        }
        theatre = Theatre(world)
        theatre.rehearse()
        yield Matrix(theatre, elsewhere)


@pytest.fixture(autouse=True)
def settings(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up after one more attempt, and read everything each time."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("M2S_CACHE", "false")


def tried(matrix: Matrix, cells: list[Cell]) -> list[str]:
    return [each for cell in cells for each in matrix.violations(cell)]


def test_there_are_many_kinds_of_requests(matrix: Matrix) -> None:
    kinds = list(matrix.theatre.kinds)
    assert len({kind for kind in kinds if kind.edge == "mlflow"}) >= 8, kinds
    assert len({kind for kind in kinds if kind.edge == "kubernetes"}) >= 8, kinds
    assert sum(kind.writes for kind in kinds) >= 5, kinds
    assert len({(cell.kind, cell.fault) for cell in matrix.cells()}) >= 390


@pytest.mark.soak
@pytest.mark.parametrize(
    "part", [pytest.param(n, marks=pytest.mark.xdist_group(f"part-{n}")) for n in range(PARTS)]
)
def test_every_cell(matrix: Matrix, part: int, record_property: Note) -> None:
    # In no order: whoever ends it early has seen something of everything.
    cells = sorted(matrix.cells(), key=lambda cell: crc32(str(cell).encode()))[part::PARTS]
    found = []
    for number, cell in enumerate(cells, 1):
        began = time.monotonic()
        bad = matrix.violations(cell)
        found += bad
        noted(f"{number}/{len(cells)} {cell}: {time.monotonic() - began:.1f} s", *bad)
    record_property("kinds", sorted({str(cell.kind) for cell in cells}))
    record_property("faults", sorted({cell.fault for cell in cells}))
    record_property("cells", len(cells))
    record_property("violations", len(found))
    assert found == []


def noted(*lines: str) -> None:
    """Write a line for each cell into M2S_SOAK_LOG: it takes long to come to the end."""
    if path := os.environ.get("M2S_SOAK_LOG"):
        with Path(path).open("a") as log:
            log.writelines(f"{line}\n" for line in lines)


def test_a_sample_of_the_cells(matrix: Matrix) -> None:
    assert tried(matrix, matrix.spread(SAMPLE)) == []
