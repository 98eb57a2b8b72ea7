"""Webhooks of ``notify``, on a real HTTP server."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from m2s.base.errors import UsageError
from m2s.base.labels import MODEL, MODEL_VERSION, OWNER
from m2s.domain.versions import Key
from m2s.observers.notify import Notifier
from m2s.settings import build
from m2s.targets.kubernetes.events import Event
from tests.kits.support import description, m2s
from tests.kits.worlds import World
from tests.servers import wait_for

NOTES = ((OWNER, "staging"), (MODEL, "fraud"), (MODEL_VERSION, "2"))
PROMOTED = Event(
    Key("ml", "fraud"), "u", "Promoted", 'promoted "v1" → v2', notes=NOTES,
)  # fmt: skip


class Receiver:
    """A server that answers with ``answers``, the last one for ever, and keeps what came."""

    def __init__(self) -> None:
        self.answers: list[int] = [200]
        self.came: list[tuple[str, dict[str, str], bytes]] = []
        self.release = threading.Event()
        self.release.set()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.came.append((self.path, dict(self.headers), body))
                outer.release.wait(30)
                code = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                self.send_response(code)
                if code == 307:
                    self.send_header("Location", f"{outer.url}/elsewhere")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.release.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


def told(hooks: list[dict[str, Any]], *events: Event, folder: Path) -> Counter[str]:
    """Tell the webhooks of an m2s.yaml, and return what became of the messages."""
    counted: Counter[str] = Counter()
    notifier = Notifier(settings(hooks, folder).notify, "production", counted, pause=0.01)
    for event in events:
        notifier.record(event)
    notifier.close(20)
    return counted


def settings(hooks: Any, folder: Path) -> Any:
    file = folder / "notify.yaml"
    file.write_text(yaml.safe_dump({"stage": "Staging", "notify": hooks}))
    return build.build({}, {}, str(file))


def test_a_message_is_a_cloud_event_and_comes_once(receiver: Receiver, tmp_path: Path) -> None:
    assert told([{"url": f"{receiver.url}/hook"}], PROMOTED, folder=tmp_path)["sent"] == 1
    [(path, headers, body)] = receiver.came
    event = json.loads(body)
    assert (path, headers["Content-Type"].partition(";")[0]) == (
        "/hook",
        "application/cloudevents+json",
    )
    assert (event["specversion"], event["type"]) == ("1.0", "io.m2s.deployment.promoted")
    assert {"id", "source", "time"} <= event.keys()
    assert event["data"] == {
        "deployment": "fraud", "kind": "SeldonDeployment", "namespace": "ml",
        "reason": "Promoted", "message": 'promoted "v1" → v2', "owner": "staging",
        "model": "fraud", "version": "2", "environment": "production",
    }  # fmt: skip


def test_a_template_makes_json_or_a_text(receiver: Receiver, tmp_path: Path) -> None:
    slack = {"text": "*{{ deployment }}* {{message}}", "blocks": [{"n": 1}]}
    hooks = [{"url": receiver.url, "template": slack}]
    hooks += [{"url": receiver.url, "template": "{{ reason }} {{ model }} v{{ version }}"}]
    told(hooks, PROMOTED, folder=tmp_path)
    bodies = sorted(body for _, _, body in receiver.came)
    assert bodies[0] == b"Promoted fraud v2"
    assert json.loads(bodies[1]) == {"text": '*fraud* promoted "v1" → v2', "blocks": [{"n": 1}]}


def test_each_webhook_is_told_of_its_own_reasons(receiver: Receiver, tmp_path: Path) -> None:
    hooks = [{"url": f"{receiver.url}/a", "on": ["promoted"]}]
    hooks += [{"url": f"{receiver.url}/b", "on": ["Blocked", "ApplyFailed"]}]
    told(hooks, PROMOTED, folder=tmp_path)
    assert [path for path, *_ in receiver.came] == ["/a"]


def test_one_that_fails_for_a_while_is_tried_again_with_the_same_id(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.answers = [503, 429, 200]
    assert told([{"url": receiver.url}], PROMOTED, folder=tmp_path)["sent"] == 1
    assert len({json.loads(body)["id"] for *_, body in receiver.came}) == 1
    assert len(receiver.came) == 3


@pytest.mark.parametrize(("answer", "tries"), [(404, 1), (401, 1), (500, 5)])
def test_what_never_comes_is_told_once_without_the_url(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture, answer: int, tries: int
) -> None:
    receiver.answers = [answer]
    url = f"{receiver.url}/services/T0/hunter2"
    with caplog.at_level(logging.WARNING):
        assert told([{"url": url}], PROMOTED, folder=tmp_path)["failed"] == 1
    assert len(receiver.came) == tries
    assert [record.getMessage() for record in caplog.records] == [
        f"notify[0]: a message did not come: it answered {answer}"
    ]


def test_a_redirect_takes_the_token_nowhere(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hunter2\n")
    (tmp_path / "url").write_text(f"{receiver.url}/hook\n")
    receiver.answers = [307, 200]
    files = {"url-file": str(tmp_path / "url"), "token-file": str(tmp_path / "token")}
    assert told([files], PROMOTED, folder=tmp_path)["failed"] == 1
    [(path, headers, _)] = receiver.came
    assert (path, headers["Authorization"]) == ("/hook", "Bearer hunter2")


def test_a_webhook_that_hangs_is_in_nobodys_way(receiver: Receiver, tmp_path: Path) -> None:
    receiver.release.clear()
    counted: Counter[str] = Counter()
    hooks = settings([{"url": receiver.url}], tmp_path).notify
    notifier = Notifier(hooks, "", counted, pause=0.01)
    for _ in range(1500):
        notifier.record(PROMOTED)
    wait_for(lambda: receiver.came, "the first message")
    notifier.close(0)
    assert counted["dropped"] >= 499
    receiver.release.set()
    wait_for(lambda: counted["sent"], "the message under way")


def test_watch_tells_of_what_it_does_and_of_what_stands_in_the_way_once(
    on_folder: World, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m2s.yaml").write_text(yaml.safe_dump({"notify": [{"url": receiver.url}]}))
    on_folder.models.add("iris", description("iris"))
    on_folder.models.add("tea", "kind: [")
    result = m2s("watch", "--once", *on_folder.flags)
    assert result.code == 1
    found = [json.loads(body)["data"] for *_, body in receiver.came]
    assert {(each["model"], each["reason"]) for each in found} == {
        ("iris", "Applied"),
        ("tea", "Blocked"),
    }
    assert len(found) == 2


@pytest.mark.parametrize(
    ("hooks", "words"),
    [
        ({"url": "http://x"}, "notify: wants a list of webhooks"),
        (["http://x"], "notify: wants a mapping"),
        ([{}], "notify: wants one of url and url-file"),
        ([{"url": "http://x", "url-file": "y"}], "notify: wants one of url and url-file"),
        ([{"url": "ftp://hunter2@x"}], "notify.url: wants an http or https URL"),
        ([{"url": "http://[::1"}], "notify.url: wants an http or https URL"),
        ([{"url": "http://x", "onn": []}], "notify.onn: no such key; did you mean on?"),
        ([{"url": "http://x", "on": ["Promotd"]}], "did you mean Promoted?"),
        ([{"url": "http://x", "on": []}], "notify.on: wants a list of reasons"),
        ([{"url": "http://x", "on": "Promoted"}], "notify.on: wants a list of reasons"),
        ([{"url": "http://x", "template": {"t": "{{ modle }}"}}], "did you mean model?"),
        ([{"url": "http://x", "token-file": 7}], "notify.token-file: wants the path of a file"),
    ],
)
def test_what_is_no_webhook_is_one_line(hooks: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        settings(hooks, tmp_path)
    assert words in str(error.value)
    assert "notify.yaml:" in str(error.value)
    assert "hunter2" not in str(error.value)
