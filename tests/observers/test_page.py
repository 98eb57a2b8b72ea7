"""The page at ``/``: what it tells after which passes, escaped, masked, and for reading only."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIEnvironment
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from m2s.base.errors import RegistryError
from m2s.base.gate import Gate
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key, ModelVersion, Selector
from m2s.observers.last_seen import Sight
from m2s.observers.page import Page
from m2s.settings import build
from m2s.targets.folder.namespace import FolderCluster
from m2s.watch.absences import Absences
from m2s.watch.passes import Edges, Pass
from m2s.watch.report import PassReport
from tests.kits.fakes import FakeRegistry
from tests.kits.support import description

VOID = {"meta", "link", "br", "input"}
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Registry(FakeRegistry):
    """One that can be down, and whose address is anything."""

    down = ""
    identity = "http://mlflow.example.com"

    def select(self, selector: Selector) -> tuple[ModelVersion, ...]:
        if self.down:
            raise RegistryError(self.down)
        return super().select(selector)


class Reader(HTMLParser):
    """A page as a browser sees it: its text by line, the tags that are open, what they fetch."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.lines += [line.strip() for line in data.splitlines() if line.strip()]


@dataclass(frozen=True)
class Answer:
    """What one request came to."""

    status: str
    headers: dict[str, str]
    body: str


@dataclass
class Watched:
    """Passes between a registry in memory and a folder, and the page that tells of them."""

    path: Path
    flags: dict[str, Any] = field(default_factory=dict)
    registry: Registry = field(default_factory=Registry)
    sight: Sight = field(default_factory=Sight)
    leads: bool = True
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.settings = build.build({"stage": ["Staging"], **self.flags}, {})
        self.edges = Edges(self.registry, FolderCluster(self.path, "default"))
        self.page = Page(self.settings, self.edges, self.sight, lambda: self.leads, self._now)
        self._absences = Absences()

    def _now(self) -> datetime:
        return self.now

    def make(self, *, ago: float = 1) -> PassReport:
        """Make a pass that ended so many seconds ago."""
        report = Pass(self.edges, self.settings, self._absences, "interval", Gate()).make()
        began = self.now - timedelta(seconds=ago)
        report = replace(report, started=began, seconds=0.0)
        self.sight(report)
        self.page(report)
        return report

    def ask(self, method: str = "GET", query: str = "") -> Answer:
        environ: WSGIEnvironment = {"REQUEST_METHOD": method, "QUERY_STRING": query}
        setup_testing_defaults(environ)
        told: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            told[:] = [status, dict(headers)]

        chunks = validator(self.page.application)(environ, start_response)
        body = b"".join(chunks).decode()
        chunks.close()  # type: ignore[attr-defined]  # the validator's
        return Answer(told[0], told[1], body)

    def lines(self) -> list[str]:
        return Reader(self.ask().body).lines

    def text(self) -> str:
        return "\n".join(self.lines())


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_before_the_first_pass_it_says_so(watched: Watched) -> None:
    lines = watched.lines()
    assert "starting" in lines
    heading = "stage=Staging of http://mlflow.example.com → namespace default at dir:"
    assert any(line.startswith(heading) for line in lines)
    assert "The first pass is not done yet: what is wanted is unknown so far." in lines
    assert "Nothing was seen yet." in lines
    assert not any(line.startswith("Plan:") for line in lines)


def test_a_pass_is_told_with_its_plan_and_what_is_served(watched: Watched) -> None:
    watched.registry.add("iris", description("iris-live"), source="s3://m/1")
    watched.make()
    lines = watched.lines()
    assert "success" in lines
    assert "2026-11-22 11:59:59 UTC (1 s ago): success, took 0.00 s, set off by interval" in lines
    assert {"upsert-only: nothing is deleted", "30 s"} <= set(lines)
    assert "1 deployment" in lines
    assert "Plan: 1 to create, 0 to update, 0 to delete, 0 unchanged" in lines
    assert {"iris-live", "v1", "v1 is in Staging", "created", "stage=Staging"} <= set(lines)
    assert {"spec.predictors[default].graph.modelUri s3://m/1"} <= set(lines)


def test_what_was_done_stays_when_later_passes_find_nothing_to_do(watched: Watched) -> None:
    watched.registry.add("iris", description("iris"), source="s3://m/1")
    watched.make()
    watched.registry.add("iris", description("iris"), source="s3://m/2", stage=None)
    watched.registry.move("iris", 2, "Staging")
    watched.make(ago=200)
    watched.make()
    text = watched.text()
    assert "Last changes\n2026-11-22 11:56:40 UTC (3 min ago)" in text
    assert "promoted v1 → v2\nupdated\n" in text
    assert "spec.predictors[default].graph.modelUri s3://m/1 → s3://m/2" in text
    assert "Plan: 0 to create, 0 to update, 0 to delete, 1 unchanged" in text


def test_what_is_blocked_and_skipped_says_why(watched: Watched) -> None:
    watched.registry.add("iris", description("iris"))
    watched.make()
    watched.registry.add("iris", "kind: Pod", stage=None)
    watched.registry.move("iris", 2, "Staging")
    watched.registry.add("bare", None)
    watched.make()
    text = watched.text()
    blocked = text[text.index("Blocked") : text.index("Served")]
    assert "kind is 'Pod'; it must be SeldonDeployment" in blocked
    assert "held: v1 keeps serving" in blocked
    assert re.search(r"Skipped\n1\nbare v1 \(stage=Staging\): .*deploy.yaml", text)
    assert "failed" in watched.lines()
    assert "none yet" not in text, "the first pass was a success"


def test_an_unreadable_registry_leaves_what_is_known_with_its_age(watched: Watched) -> None:
    watched.registry.add("iris", description("iris"))
    watched.make(ago=7300)
    watched.registry.down = "MLflow is gone"
    watched.make()
    lines = watched.lines()
    assert {"error", "MLflow is gone; run `m2s check` to see what works"} <= set(lines)
    age = "2026-11-22 09:58:20 UTC (2 h ago)"
    assert f"What follows is of {age}, when a pass last read both sides, or newer." in lines
    assert age in lines, "the last success"
    assert "1 deployment" in lines
    assert "Plan: 1 to create, 0 to update, 0 to delete, 0 unchanged" in lines


def test_a_registry_that_was_never_read_shows_the_error_alone(watched: Watched) -> None:
    watched.registry.down = "MLflow is gone"
    watched.make()
    text = watched.text()
    assert "MLflow is gone" in text
    assert "Last success\nnone yet" in text
    assert "Plan:" not in text


def test_a_refused_pass_says_what_was_not_done(tmp_path: Path) -> None:
    watched = Watched(tmp_path, {"policy": "sync", "prune-after": "1", "max-delete": "0"})
    for name in ("iris", "wine"):
        watched.registry.add(name, description(name))
    watched.make()
    watched.registry.move("wine", 1, "Archived")
    watched.make()
    lines = watched.lines()
    assert "refused" in lines
    assert any("over --max-delete" in line for line in lines)
    assert {"v1 is in Archived now", "not done"} <= set(lines)


def test_a_standby_says_so_and_shows_no_plan_of_its_own(tmp_path: Path) -> None:
    watched = Watched(tmp_path, {"leader-elect": True})
    watched.registry.add("iris", description("iris"))
    watched.make()
    assert "leads" in watched.lines()
    watched.leads = False
    lines = watched.lines()
    assert {"standby", "stands by"} <= set(lines)
    stands = "This replica stands by: lease m2s-stage-staging in namespace default names another"
    assert any(line.startswith(stands) for line in lines)
    assert not any(line.startswith("Plan:") for line in lines)


def test_other_settings_begin_anew(watched: Watched) -> None:
    watched.registry.add("iris", description("iris"))
    watched.make()
    other = build.build({"stage": ["Production"], "interval": "1h"}, {})
    watched.page.move(other, watched.edges)
    lines = watched.lines()
    assert "starting" in lines
    assert "iris" not in lines


def served(name: str, state: str = "", **more: Any) -> LiveDeployment:
    """Return a deployment of ours as the cluster's events tell of it."""
    annotations = {"m2s.io/model": name, "m2s.io/version": "1", "m2s.io/selector": "stage=Staging"}
    metadata = {
        "name": name,
        "namespace": "default",
        "labels": {
            "app.kubernetes.io/managed-by": "m2s",
            "m2s.io/owner": more.pop("owner", "stage-staging"),
        },
        "annotations": {**annotations, **more.pop("annotations", {})},
    }
    status = {"state": state, **more} if state else {}
    return LiveDeployment(Key("default", name), {"metadata": metadata, "status": status})


def see(watched: Watched, *deployments: LiveDeployment) -> None:
    for live in deployments:
        watched.sight.observe(live.key, live)


def test_the_clusters_events_show_at_once_and_what_fails_comes_first(watched: Watched) -> None:
    watched.make()
    history = '[{"served":[{"model":"b","version":"1"}],"since":"2026-11-21T12:03:59Z"}]'
    see(
        watched,
        served("a", "Available", address={"url": "http://a.default/api"}),
        served("b", "Failed", description="no GPU", annotations={"m2s.io/history": history}),
        served("c", annotations={"m2s.io/pinned": "1", "m2s.io/paused": "true"}),
    )
    lines = watched.lines()
    assert "3 deployments, 1 Failed, 1 Available" in lines
    table = lines[lines.index("Endpoint") + 1 :]
    assert table[:8] == [
        "b",
        "v1",
        "stage=Staging",
        "Failed",
        "no GPU",
        "2026-11-21 12:03 UTC",
        "-",
        "c",
    ]
    assert table[8:10] == ["pinned to 1", "paused"]
    assert "http://a.default/api" in table


def test_others_deployments_are_not_shown(tmp_path: Path) -> None:
    watched = Watched(tmp_path, {"model": ["a*"]})
    watched.make()
    see(watched, served("a1"), served("b1"), served("a2", owner="somebody"))
    assert "1 deployment" in watched.lines()
    assert "a*" in watched.lines()


SPOILT = "<img src=x onerror=alert(1)>&\"'"


def test_no_name_becomes_html(watched: Watched) -> None:
    watched.registry.add(SPOILT, description("spoilt"))
    watched.registry.add(f"{SPOILT} bare", None)
    watched.registry.add(f"{SPOILT} blocked", "kind: Pod")
    watched.make()
    see(
        watched,
        served("a", SPOILT, description=SPOILT, address={"url": f"javascript:{SPOILT}"}),
        served("b", "Failed", annotations={"m2s.io/pinned": SPOILT, "m2s.io/selector": SPOILT}),
    )
    watched.registry.down = SPOILT
    watched.make()
    body = watched.ask().body
    page = Reader(body)
    assert "<img" not in body
    assert not {"img", "script"} & {tag for tag, _ in page.tags}
    assert "\n".join(page.lines).count("onerror=alert(1)") >= 8
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert [link for link in links if not str(link).startswith("?")] == ["metrics"]
    assert all(re.fullmatch(r"\?deployment=[\w.%-]*", str(link)) for link in links[:-1])


def test_no_secret_is_shown(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "tok-in-the-environment")
    deploy = description("iris").replace("image: server:1.18.2", "image: tok-in-the-environment")
    watched.registry.identity = "http://user:hunter2@mlflow.example.com"
    watched.registry.add("iris", deploy, source="s3://m/1")
    watched.registry.add("wine", None, source="https://s/1?X-Amz-Signature=abc123&a=b")
    watched.make()
    see(
        watched,
        served("a", "Failed", description="Bearer tok-in-the-message-of-it was refused"),
        served("b", "Available", address={"url": "http://u:hunter2@b/api"}),
    )
    watched.registry.down = "cannot read http://u:hunter2@mlflow"
    watched.make()
    body = watched.ask().body
    assert body.count("***") >= 4
    for secret in ("hunter2", "tok-in", "abc123"):
        assert secret not in body


def test_it_is_for_reading_only(watched: Watched) -> None:
    page, head = watched.ask(), watched.ask("HEAD")
    assert (page.status, head.status, head.body) == ("200 OK", "200 OK", "")
    assert head.headers == page.headers
    assert int(page.headers["Content-Length"]) == len(page.body.encode())
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = watched.ask(method)
        assert answer.status == "405 Method Not Allowed"
        assert answer.headers["Allow"] == "GET, HEAD"


def test_it_fetches_and_runs_nothing(watched: Watched) -> None:
    watched.registry.add("iris", description("iris"))
    watched.make()
    page = watched.ask()
    headers, reader = page.headers, Reader(page.body)
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    (style,) = re.findall(r"<style>(.*?)</style>", page.body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", f"style-src 'sha256-{digest}'"} <= set(policy)
    assert "frame-ancestors 'none'" in policy
    assert "script" not in headers["Content-Security-Policy"]
    assert "form-action 'self'" in policy
    assert not {"script", "iframe", "img"} & {tag for tag, _ in reader.tags}
    assert not any(name.startswith("on") or name == "style" for _, a in reader.tags for name in a)
    assert "@import" not in style
    assert "url(" not in style


@pytest.mark.thorough
def test_much_is_only_counted_in_the_plan_and_served_page_by_page(watched: Watched) -> None:
    for number in range(30):
        watched.registry.add(f"m{number}", description(f"m{number}"))
    watched.make()
    watched.registry.add("m7", description("m7"), stage=None)
    watched.registry.move("m7", 2, "Staging")
    watched.make()
    see(watched, *(served(f"n{number}", "Available") for number in range(1000)))
    body = watched.ask().body
    lines = Reader(body).lines
    assert "= 29 more unchanged, not listed" in lines
    assert "1030 deployments, 1000 Available" in lines
    assert (lines.count("m7"), lines.count("m8"), lines.count("n999")) == (2, 1, 0)
    assert "page 1 of 6" in lines
    assert "n999" in Reader(watched.ask(query="page=6").body).lines
    assert len(body) < 250_000


@pytest.mark.parametrize(("interval", "refresh"), [("1s", "5"), ("20s", "20"), ("1h", "60")])
def test_a_browser_asks_again_by_the_interval_within_reason(
    tmp_path: Path, interval: str, refresh: str
) -> None:
    reader = Reader(Watched(tmp_path, {"interval": interval}).ask().body)
    (again,) = (a["content"] for _, a in reader.tags if a.get("http-equiv") == "refresh")
    assert again == refresh
