"""Law 15 for threads: one that fails goes on and is told of; one that does not is in the probes."""

from __future__ import annotations

import json
import logging
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from m2s.base import threads
from m2s.base.errors import M2sError
from m2s.base.threads import Kept, Pulse
from m2s.domain.versions import Key
from m2s.observers.writeback import WriteBack
from m2s.targets.kubernetes.events import Event, Events
from m2s.targets.kubernetes.namespace import connect
from m2s.targets.kubernetes.watching import KindsWatch
from tests.kits.support import description
from tests.kits.watch_kit import Start
from tests.kits.worlds import World
from tests.servers import ApiServer, FaultProxy, free_port, wait_for
from tests.targets.test_lease import Candidate, candidate, clock
from tests.watch.test_watch_loop import Clock as Ticking
from tests.watch.test_watch_loop import World as Looped
from tests.watch.test_watch_loop import world
from tests.watch.test_watch_stream import URI, Scene, config, scene

__all__ = ["candidate", "clock", "config", "scene", "world"]

HEAD = {"kind": "Lease", "apiVersion": "coordination.k8s.io/v1"}


@pytest.fixture
def stopped() -> Iterator[threading.Event]:
    made = threading.Event()
    yield made
    made.set()


def test_a_thread_that_fails_begins_anew_and_is_told_of(
    stopped: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    turns: list[int] = []

    def work(pulse: Pulse) -> None:
        turns.append(1)
        if len(turns) < 4:
            raise ValueError("a line\nand another")
        pulse.beat()
        stopped.wait()

    kept = Kept("m2s-test", work, stopped, pause=0.01)
    kept.start()
    wait_for(lambda: len(turns) == 4 and not threads.fault(), "it to be well again")
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert "m2s-test failed and begins anew in 0.01 s: ValueError: a line and another" in lines[0]
    assert all("\n" not in line for line in lines)
    stopped.set()
    kept.join(10)
    assert not kept.alive


@pytest.mark.parametrize("death", [SystemExit(0), KeyboardInterrupt()])
def test_not_even_an_exit_ends_it(stopped: threading.Event, death: BaseException) -> None:
    turns: list[int] = []

    def work(_: Pulse) -> None:
        turns.append(1)
        if len(turns) == 1:
            raise death
        stopped.wait()

    Kept("m2s-test", work, stopped, pause=0.01).start()
    wait_for(lambda: len(turns) == 2, "the second turn")


def test_a_thread_that_is_told_to_end_is_no_fault(stopped: threading.Event) -> None:
    kept = Kept("m2s-test", lambda pulse: pulse.beat(0), stopped)
    kept.start()
    kept.join(10)
    assert not threads.fault()


def test_one_that_is_silent_is_a_fault_and_later_a_deadly_one() -> None:
    clock = Ticking()
    pulse = Pulse("m2s-test", clock)
    pulse.beat(30)
    try:
        assert not threads.fault()
        clock.now += 31
        assert threads.fault() == "m2s-test has not worked for 1 s: it is stuck"
        assert not threads.fault(threads.DEAD)
        clock.now += threads.DEAD
        assert threads.fault(threads.DEAD)
        pulse.beat(30)
        assert not threads.fault()
        pulse.beat()
        clock.now += 1_000_000
        assert not threads.fault()
    finally:
        pulse.end()


def test_one_that_fails_again_and_again_is_not_well_in_between() -> None:
    clock = Ticking()
    pulse = Pulse("m2s-test", clock)
    for _ in range(5):
        pulse.beat(30)
        pulse.fail("ValueError")
        clock.now += threads.DEAD / 4
    assert clock.now - 1000 >= threads.DEAD
    assert "ValueError" in str(pulse.fault(threads.DEAD))
    pulse.beat(30)
    pulse.beat(30)
    assert not pulse.fault()
    pulse.end()


ODD_LEASES: dict[str, Any] = {
    "nothing": {},
    "an array": "[]",
    "a page": "<html>",
    "no metadata": HEAD,
    "another Lease": {**HEAD, "metadata": {"name": "other"}},
    "labels": {"metadata": {"labels": ["m2s"]}},
    "a spec that is a text": {"spec": "x"},
    "a long duration": {"spec": {"leaseDurationSeconds": "long"}},
    "a holder that is a list": {"spec": {"holderIdentity": ["one"]}},
    "odd transitions": {"spec": {"leaseTransitions": {}}},
}


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_an_odd_lease_costs_a_try_and_not_the_thread(
    candidate: Candidate, api_server: ApiServer, namespace: str, method: str,
    fault_proxy: Callable[..., FaultProxy], monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr("m2s.targets.kubernetes.lease.RETRY", 0.05)
    proxy = fault_proxy(api_server)
    one = candidate("one", server=proxy.url)
    one.start()
    whole = api_server.call(
        "GET", f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/m2s-test"
    )
    for name, odd in ODD_LEASES.items():
        changed = odd
        if isinstance(odd, dict) and odd and "kind" not in odd:
            changed = {**whole, **{part: _over(whole[part], odd[part]) for part in odd}}
        before = proxy.count(method)
        proxy.answer(200, changed, method=method)
        wait_for(lambda: proxy.count(method) > before + 1, name)  # noqa: B023 - at once
        proxy.heal()
        after = proxy.count("PUT")
        wait_for(lambda: proxy.count("PUT") > after + 1, f"a renewal after {name}")  # noqa: B023
    assert one.leading
    one.release()
    assert "begins anew" not in caplog.text
    assert any(record.levelno >= logging.WARNING for record in caplog.records)


def _over(there: Any, odd: Any) -> Any:
    return {**there, **odd} if isinstance(odd, dict) else odd


ODD_LINES: dict[str, str] = {
    "an array": "[]",
    "nothing": "{}",
    "null": "null",
    "half a line": '{"type": "ADDED", "obj',
    "no object": '{"type": "ADDED"}',
    "an empty object": '{"type": "ADDED", "object": {}}',
    "an object that is a text": '{"type": "ADDED", "object": "x"}',
    "a bookmark of nothing": '{"type": "BOOKMARK", "object": {}}',
    "an odd bookmark": '{"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": 7}}}',
    "an unknown event": '{"type": "RENAMED", "object": {"metadata": {"name": "there"}}}',
    "an error without a code": '{"type": "ERROR", "object": {}}',
    "an error that is a text": '{"type": "ERROR", "object": "gone"}',
    "another kind": json.dumps(
        {
            "type": "ADDED",
            "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "there"}},
        }
    ),
    "too deep": '{"a":' * 50_000,
    "not UTF-8": "\udcff",
}


@pytest.mark.thorough
def test_an_odd_line_of_the_watch_costs_the_stream_and_not_the_thread(
    scene: Scene, config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scene.create("there")
    watching = scene.watch(config)
    scene.await_seen(("there", URI))
    for number, (name, line) in enumerate(ODD_LINES.items()):
        scene.proxy.heal()
        body = line.encode(errors="surrogateescape") + b"\n"
        scene.proxy.answer(200, body, path="watch=true", times=1)
        scene.proxy.cut(path="watch=true", after=1, times=1)
        watching.stop()
        watching = scene.watch(config)
        scene.create(f"after-{number}")
        scene.await_seen((f"after-{number}", URI))
        assert watching.alive, name
    assert "begins anew" not in caplog.text
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_a_watch_goes_on_after_whoever_is_told_failed(
    scene: Scene, config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    def told(key: Key, _: object) -> None:
        seen.append(key.name)
        if len(seen) == 1:
            raise TypeError("a bug")

    api = connect(None, str(config), None, workers=1).api
    watching = KindsWatch(api, scene.objects.name, ["stage-staging"], told, pause=0.05)
    scene.create("there")
    watching.start()
    wait_for(lambda: seen == ["there", "there"], "the second telling")
    assert "m2s-watch failed and begins anew" in caplog.text
    watching.stop()


def test_events_go_on_after_one_that_could_not_be_written(
    api_server: ApiServer, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = connect(namespace, str(api_server.kubeconfig()), None, workers=1).api
    ask, failed = api.ask, threading.Event()

    def once(*args: Any, **options: Any) -> Any:
        if not failed.is_set():
            failed.set()
            raise TypeError("a bug")
        return ask(*args, **options)

    monkeypatch.setattr(api, "ask", once)
    events = Events(api)
    for reason in ("First", "Second"):
        events.record(Event(Key(namespace, "iris"), "", reason, "it happened"))
    path = f"/api/v1/namespaces/{namespace}/events"
    wait_for(lambda: len(api_server.call("GET", path)["items"]) == 1, "the second one")
    events.close(10)


def test_the_write_back_goes_on(world: Looped, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def look() -> tuple[()]:
        looks.append(1)
        if len(looks) == 1:
            raise TypeError("a bug")
        return ()

    class Tagging:
        def read(self, _: str) -> dict[Any, Any]:
            return {}

    back = WriteBack(look, lambda: True)
    back.move(Tagging(), 600)  # type: ignore[arg-type]
    back(next(world.passes()))
    wait_for(lambda: len(looks) > 1, "the second look")
    back.close(0)


def test_the_loop_goes_on_whatever_a_pass_runs_into(
    world: Looped, caplog: pytest.LogCaptureFixture
) -> None:
    select = world.registry.select
    trouble: list[BaseException] = [TypeError("a bug"), RecursionError("too deep")]

    def odd(selector: Any) -> Any:
        if trouble:
            raise trouble.pop()
        return select(selector)

    world.registry.select = odd  # type: ignore[method-assign]
    passes = world.passes()
    reports = [next(passes) for _ in range(3)]
    assert [report.result for report in reports] == ["error", "error", "success"]
    assert "this should not happen: RecursionError: too deep" in reports[0].message
    assert world.files() == {"iris", "wine"}
    assert "Traceback" not in caplog.text


def test_the_loop_goes_on_after_an_observer_and_after_itself(
    world: Looped, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m2s.watch.loop.FIRST_PAUSE", 0.01)
    loop = world.loop()
    told: list[object] = []

    def observer(report: object) -> None:
        told.append(report)
        if len(told) == 4:
            loop.stop()
        raise TypeError("a bug of an observer")

    left, failures = world.clock.left, [ValueError("a bug of the loop")]

    def odd(*args: Any) -> None:
        if failures:
            raise failures.pop()
        left(*args)

    monkeypatch.setattr(world.clock, "left", odd)
    monkeypatch.setattr(loop, "_observers", (observer,))
    loop.run()
    assert len(told) == 4
    assert "the loop failed and begins anew" in caplog.text
    assert "cannot take note of a pass: TypeError: a bug of an observer" in caplog.text
    assert world.closed == 1


BROKEN = """
import sys
from m2s.base import threads
from m2s.cli import main
from m2s.targets.kubernetes.lease import Lease
threads.DEAD = 2.0
attempt, count = Lease.attempt, []
def odd(lease):
    count.append(1)
    if len(count) > 2:
        raise TypeError("a bug")
    return attempt(lease)
Lease.attempt = odd
sys.exit(main())
"""


def probed(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


@pytest.mark.slow  # a process that is waited for
def test_a_thread_that_fails_takes_readiness_along_and_then_the_process(
    on_cluster: World, start: Start
) -> None:
    on_cluster.models.add("iris", description("iris"))
    url = f"http://127.0.0.1:{(port := free_port())}"
    listen = ("--leader-elect", "--interval", "1s", "--listen", f"127.0.0.1:{port}")
    watch = start(*on_cluster.flags, *listen, program=("-c", BROKEN))
    watch.await_line("created iris")
    for path in ("readyz", "healthz"):
        wait_for(lambda: probed(f"{url}/{path}")[0] == 503, path)  # noqa: B023 - at once
        assert "m2s-lease has not worked" in probed(f"{url}/{path}")[1]
    watch.await_line("m2s-lease failed and begins anew in 1 s: TypeError: a bug")
    assert "Traceback" not in watch.text
    assert watch.end() == 0


def test_brief_says_what_and_where() -> None:
    try:
        raise M2sError("a\nb")
    except M2sError as error:
        told = threads.brief(error)
    assert told.startswith("M2sError: a b (test_brief_says_what_and_where, line ")
