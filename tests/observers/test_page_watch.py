"""The page of a running ``m2s watch``, over HTTP."""

from __future__ import annotations

import urllib.request
from urllib.error import HTTPError

import pytest

from m2s.base.labels import PAUSED
from tests.kits.support import description
from tests.kits.watch_kit import Start, Watch
from tests.kits.worlds import World
from tests.observers.test_page import Reader
from tests.servers import free_port, wait_for

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them


class Page:
    """A watch and its page."""

    def __init__(self, start: Start, *argv: str) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}/"
        self.watch: Watch = start(*argv, "--listen", f"127.0.0.1:{port}")
        self.watch.await_line("watching")

    def lines(self) -> list[str]:
        with urllib.request.urlopen(self.url, timeout=10) as answer:
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none';")
            return Reader(answer.read().decode()).lines

    def await_lines(self, *wanted: str) -> list[str]:
        """Wait until all of these are among its lines."""
        wait_for(lambda: set(wanted) <= set(self.lines()), f"{wanted} in {self.lines()}")
        return self.lines()


def test_what_is_served_moves_fails_and_is_blocked(on_cluster: World, start: Start) -> None:
    models, objects = on_cluster.models, on_cluster.objects
    models.add("iris", description("iris"), source="s3://m/1")
    page = Page(start, *on_cluster.flags, "--interval", "1s", "--no-preflight")
    lines = page.await_lines("success", "iris", "v1", "1 deployment")
    assert any(f"→ namespace {objects.name} at https://127.0.0.1:" in line for line in lines)
    status = {"state": "Failed", "description": "no GPU", "address": {"url": "http://iris/api"}}
    objects.patch("iris", {"status": status}, manager="manager", part="status")
    page.await_lines("Failed", "no GPU", "http://iris/api", "1 deployment, 1 Failed")
    models.add("iris", description("iris"), source="s3://m/2", stage=None)
    models.move("iris", 2, "Staging")
    uri = "spec.predictors[default].graph.modelUri s3://m/1 → s3://m/2"
    page.await_lines("v2", "promoted v1 → v2", "updated", uri)
    models.add("wine", "kind: Pod")
    page.await_lines("failed", "Blocked", "wine-staging")
    objects.patch("iris", {"metadata": {"annotations": {PAUSED: "true"}}})
    page.await_lines("paused")
    with pytest.raises(HTTPError) as refused:
        urllib.request.urlopen(page.url, data=b"", timeout=10)
    with refused.value as answer:
        assert (answer.code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_a_status_shows_although_no_pass_is_due(on_cluster: World, start: Start) -> None:
    on_cluster.models.add("iris", description("iris"))
    page = Page(start, *on_cluster.flags, "--interval", "1h")
    page.await_lines("success", "iris")
    status = {"status": {"state": "Available"}}
    on_cluster.objects.patch("iris", status, manager="manager", part="status")
    page.await_lines("1 deployment, 1 Available")
    on_cluster.objects.delete("iris")
    again = "set off by cluster"
    wait_for(lambda: any(again in line for line in page.lines()), "a pass for the deletion")
    page.await_lines("iris", "created", "1 deployment")


def test_a_standby_says_that_another_one_leads(on_cluster: World, start: Start) -> None:
    on_cluster.models.add("iris", description("iris"))
    elected = (*on_cluster.flags, "--interval", "1s", "--leader-elect")
    first = Page(start, *elected)
    first.await_lines("success", "leads", "iris")
    second = Page(start, *elected)
    lines = second.await_lines("standby", "stands by", "iris")
    assert any("names another one, which writes" in line for line in lines)
    first.watch.end()
    second.await_lines("success", "leads")
