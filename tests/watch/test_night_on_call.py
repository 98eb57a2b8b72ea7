"""A night on call, from the alert to the morning: docs/day-two.md tells the same story."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from m2s.base.labels import MODEL_VERSION
from tests.chart.test_alerts import OWN, alerts
from tests.kits.chart_kit import Helm
from tests.kits.promql import fires
from tests.kits.support import Result, description, m2s
from tests.kits.watch_kit import Start
from tests.kits.worlds import World
from tests.observers.test_notify import Receiver
from tests.servers import free_port, wait_for

pytestmark = pytest.mark.slow

ALERT = "M2sDeploymentBlocked"


@pytest.fixture
def chat() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


class Night:
    """What somebody on call has: the alert, the chat, the page and a terminal."""

    def __init__(self, world: World, helm: Helm, chat: Receiver, url: str) -> None:
        self.world, self.rules, self.chat, self.url = world, alerts(helm), chat, url
        self.where = world.flags[world.flags.index("--kubeconfig") :]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self.url + path, timeout=20) as answer:
            return str(answer.read().decode())

    def lit(self) -> bool:
        """Whether the alert's expression has a result."""
        found = text_string_to_metric_families(self.get("/metrics"))
        samples = [
            (one.name, {**OWN, **one.labels}, one.value) for each in found for one in each.samples
        ]
        return fires(self.rules[ALERT], samples)

    def told(self, reason: str, version: str) -> bool:
        """Whether the chat had a message of it."""
        found = [json.loads(body) for *_, body in self.chat.came]
        return any(f"{reason} v{version}" in each["text"] for each in found)

    def type(self, *argv: str) -> Result:
        """Type a command, and see it succeed."""
        result = m2s(*argv, *self.where)
        assert result.code == 0, result
        return result

    def served(self) -> str:
        """Return the version that the cluster serves."""
        return str(self.world.objects.all()["iris"]["metadata"]["annotations"][MODEL_VERSION])


def test_a_night_on_call(
    on_cluster: World, helm: Helm, chat: Receiver, start: Start, tmp_path: Path
) -> None:
    models = on_cluster.models
    hook = {"url": chat.url, "template": {"text": "{{ deployment }}: {{ reason }} v{{ version }}"}}
    (tmp_path / "m2s.yaml").write_text(yaml.safe_dump({"notify": [hook]}))
    port = free_port()
    config = ("--config", str(tmp_path / "m2s.yaml"), "--listen", f"127.0.0.1:{port}")
    models.add("iris", description("iris"))
    start(*on_cluster.flags, *config, "--interval", "1s")
    night = Night(on_cluster, helm, chat, f"http://127.0.0.1:{port}")
    wait_for(lambda: night.told("Applied", "1"), "v1 to be told of")
    assert not night.lit()

    # 1. A broken model is promoted in the evening. The alert fires, and the chat says which one.
    models.add("iris", "kind: Pod", stage=None)
    models.move("iris", 2, "Staging")
    wait_for(night.lit, "the alert")
    wait_for(lambda: night.told("Blocked", "2"), "the message in the chat")

    # 2. The page and `m2s status` say why, and what serves.
    assert "kind: Pod" in night.get("/") or "Pod" in night.get("/")
    told = night.type("status", "iris").out
    assert "v1" in told
    wait_for(lambda: "Pod" in night.type("status", "iris").out, "status to say why")
    assert night.served() == "1"

    # 3. A better description comes, but the version answers badly: it is taken back, with a reason.
    models.add("iris", description("iris", replicas=2), stage=None)
    models.move("iris", 3, "Staging")
    wait_for(lambda: night.served() == "3", "v3")
    night.type("rollback", "iris", "--yes", "--message", "answers 500 since v3")
    assert night.served() == "1"
    wait_for(lambda: not night.lit(), "the alert to end")
    history = night.type("history", "iris").out
    assert "answers 500 since v3" in history

    # 4. Until the morning nothing moves, whatever is promoted.
    night.type("pause", "iris", "--yes", "--message", "until the team has looked")
    assert "until the team has looked" in night.type("history", "iris").out
    assert "paused" in night.type("status").out

    # 5. The morning: the fix is promoted, and the deployment follows the registry again.
    models.add("iris", description("iris", replicas=3), stage=None)
    models.move("iris", 4, "Staging")
    night.type("resume", "iris", "--yes")
    night.type("rollback", "iris", "--unpin", "--yes")
    wait_for(lambda: night.served() == "4", "v4")
    wait_for(lambda: night.told("Promoted", "4"), "the chat to know")
    assert not night.lit()
