"""What is let in at ``POST /mlflow``, with MLflow's own signing as the oracle."""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.webhooks.constants import (
    WEBHOOK_DELIVERY_ID_HEADER,
    WEBHOOK_SIGNATURE_HEADER,
    WEBHOOK_TIMESTAMP_HEADER,
)
from mlflow.webhooks.delivery import _generate_hmac_signature

from m2s.base.errors import M2sError
from m2s.watch.http_server import MOST, Httpd, probe
from m2s.watch.webhook import LARGEST, Delivery, Receiver, fault, sign
from tests.kits.support import process
from tests.servers import wait_for

SECRET = "a secret of some length"
NOW = 1_800_000_000.0


def delivery(
    *, at: float = NOW, secret: str = SECRET, body: str = "{}", delivery_id: str = "one"
) -> Delivery:
    stamp = str(int(at))
    signature = _generate_hmac_signature(secret, delivery_id, stamp, body)
    return Delivery(delivery_id, stamp, signature, body.encode())


@given(st.text(), st.uuids(), st.integers(0, 2**33), st.text())
def test_signing_is_mlflows(secret: str, delivery_id: object, stamp: int, body: str) -> None:
    ours = sign(secret, str(delivery_id), str(stamp), body.encode())
    assert ours == _generate_hmac_signature(secret, str(delivery_id), str(stamp), body)


@pytest.mark.parametrize(
    ("came", "told"),
    [
        (delivery(), ""),
        (delivery(body='{"entity": "model_version_alias", "name": "Größe"}'), ""),
        (delivery(at=NOW - 299), ""),
        (delivery(at=NOW + 299), ""),
        (delivery(at=NOW - 301), "clock skew"),
        (delivery(at=NOW + 301), "301 s in the future"),
        (delivery(secret="another"), "signature is wrong"),
        (Delivery("one", str(int(NOW)), "", b"{}"), "not signed"),
        (Delivery("", str(int(NOW)), delivery().signature, b"{}"), "not signed"),
        (Delivery("one", "", delivery().signature, b"{}"), "not signed"),
        (Delivery("two", str(int(NOW)), delivery().signature, b"{}"), "signature is wrong"),
        (Delivery("one", str(int(NOW) + 1), delivery().signature, b"{}"), "signature is wrong"),
        (Delivery("one", str(int(NOW)), delivery().signature, b"{ }"), "signature is wrong"),
        (Delivery("one", str(int(NOW)), "v1,Größe", b"{}"), "signature is wrong"),
        (Delivery("one", "soon", sign(SECRET, "one", "soon", b"{}"), b"{}"), "no Unix time"),
    ],
)
def test_what_is_genuine(came: Delivery, told: str) -> None:
    found = fault(SECRET, came, NOW)
    assert (told in found) if told else not found
    assert SECRET not in found
    assert "\n" not in found


@dataclass
class Door:
    receiver: Receiver
    port: int
    pokes: list[None]

    def knock(
        self, method: str, headers: Mapping[str, str], body: bytes, path: str = "/mlflow"
    ) -> int:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port)) as client:
            client.request(method, path, body, dict(headers))
            return client.getresponse().status

    def send(self, data: bytes) -> bytes:
        """Send bytes, nothing more, and return what comes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as client:
            answer = b""
            with contextlib.suppress(OSError):
                client.sendall(data)
                client.shutdown(socket.SHUT_WR)
                while piece := client.recv(65536):
                    answer += piece
            return answer

    def deliver(self, came: Delivery) -> int:
        headers = {
            WEBHOOK_DELIVERY_ID_HEADER: came.delivery_id,
            WEBHOOK_TIMESTAMP_HEADER: came.timestamp,
            WEBHOOK_SIGNATURE_HEADER: came.signature,
        }
        return self.knock("POST", headers, came.body)


@pytest.fixture
def door() -> Iterator[Door]:
    pokes: list[None] = []
    receiver = Receiver(lambda: SECRET, lambda: pokes.append(None))
    server = Httpd(("127.0.0.1", 0), {"/mlflow": receiver})
    server.start()
    yield Door(receiver, server.port, pokes)
    server.close()


def test_a_genuine_delivery_pokes_and_a_repeated_one_does_not(door: Door) -> None:
    came = delivery(at=time.time())
    assert [door.deliver(came), door.deliver(came)] == [204, 204]
    assert len(door.pokes) == 1
    assert door.deliver(delivery(at=time.time(), delivery_id="two")) == 204
    assert (len(door.pokes), door.receiver.poked, door.receiver.refused) == (2, 2, 0)


def test_a_forged_delivery_is_refused_and_counted(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "m2s"):
        forged = [door.deliver(delivery(at=time.time(), secret="guessed")) for _ in range(20)]
    assert forged == [401] * 20
    assert (door.pokes, door.receiver.refused) == ([], 20)
    assert len(caplog.records) == 1  # anybody may knock: the log is not theirs to fill
    assert "signature is wrong" in caplog.text
    assert SECRET not in caplog.text


def test_only_a_post_of_reasonable_size_is_read(door: Door) -> None:
    assert door.knock("GET", {}, b"") == 405
    assert door.knock("POST", {}, b"", "/elsewhere") == 404
    assert door.knock("POST", {"Content-Length": str(LARGEST + 1)}, b"") == 413
    assert door.knock("POST", {"Content-Length": "-1"}, b"") == 400
    assert door.receiver.refused == 0


def test_a_client_that_hangs_does_not_keep_others_out(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.port)) as slow:
        slow.sendall(b"POST /mlflow HTTP/1.1\r\nContent-Le")
        assert door.deliver(delivery(at=time.time())) == 204


@pytest.mark.parametrize(
    "length", ["9" * 5000, "-1", "1e3", "0x10", "٣", "1, 1", "1_0", "+1", " 7 7", "9" * 16]
)
@pytest.mark.parametrize("path", ["/mlflow", "/healthz", "/nowhere"])
def test_an_odd_length_is_refused_in_silence(
    door: Door, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
    length: str, path: str,
) -> None:  # fmt: skip
    head = f"POST {path} HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"
    assert door.send(head.encode()).startswith(b"HTTP/1.0 400")
    assert not caplog.records
    assert capfd.readouterr().err == ""


def test_two_lengths_are_refused(door: Door) -> None:
    head = b"POST /mlflow HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
    assert door.send(head).startswith(b"HTTP/1.0 400")


ODD_REQUESTS = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "an odd version": b"GET /healthz HTTP/9.9\r\n\r\n",
    "a version of many digits": b"GET /healthz HTTP/" + b"9" * 5000 + b".1\r\n\r\n",
    "a long path": b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
    "many headers": b"GET /healthz HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n",
    "long headers": b"GET /healthz HTTP/1.1\r\n" + (b"A: " + b"b" * 60_000 + b"\r\n") * 50,
    "a header that is none": b"POST /mlflow HTTP/1.1\r\nnothing\r\n\r\n",
    "a body that does not come": b"POST /mlflow HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc",
    "nothing": b"",
}


@pytest.mark.parametrize("name", ODD_REQUESTS)
def test_an_odd_request_leaves_no_trace(
    door: Door, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    answer = door.send(ODD_REQUESTS[name])
    assert not answer or b" 200 " not in answer.split(b"\r\n")[0]
    assert door.deliver(delivery(at=time.time())) == 204
    assert "Traceback" not in caplog.text + capfd.readouterr().err


def test_a_signed_time_of_many_digits_is_none() -> None:
    digits = "9" * 5000
    came = Delivery("one", digits, sign(SECRET, "one", digits, b"{}"), b"{}")
    assert "no Unix time" in fault(SECRET, came, NOW)


def test_slow_clients_are_bounded_and_keep_nobody_out(door: Door) -> None:
    before = threading.active_count()
    with contextlib.ExitStack() as stack:
        for number in range(100):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", door.port)))
            slow.sendall(b"POST /mlflow HTTP/1.1\r\nContent-Le")
            if number % 25 == 24:
                assert door.deliver(delivery(at=time.time(), delivery_id=str(number))) == 204
                assert threading.active_count() - before <= 2 * MOST
        wait_for(lambda: threading.active_count() - before <= MOST, "the ended ones to end")
    assert len(door.pokes) == 4


def test_a_request_has_a_time_as_a_whole(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("m2s.watch.http_server.TIMEOUT", 1.0)
    with socket.create_connection(("127.0.0.1", door.port), timeout=60) as slow:
        ended = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not ended.wait(0.2):  # a byte now and then: never silent for long
                    slow.sendall(b"G")

        dripping = threading.Thread(target=drip)
        dripping.start()
        with contextlib.suppress(ConnectionError):
            assert slow.recv(1000) == b""
        ended.set()
        dripping.join()


def test_a_client_that_does_not_take_the_answer_is_left(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def large(_: object, start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [])
        return [b"x" * 100_000_000]

    monkeypatch.setattr("m2s.watch.http_server.TIMEOUT", 0.5)
    monkeypatch.setattr("m2s.watch.http_server._Handler.timeout", 0.5)
    server = Httpd(("127.0.0.1", 0), {"/": large})
    server.start()
    before = threading.active_count()
    with contextlib.closing(server), socket.create_connection(("127.0.0.1", server.port)) as deaf:
        deaf.sendall(b"GET / HTTP/1.1\r\n\r\n")
        wait_for(lambda: threading.active_count() > before, "the request")
        wait_for(lambda: threading.active_count() <= before, "its end")
    assert capfd.readouterr().err == ""


def test_a_bug_in_a_page_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: object) -> list[bytes]:
        raise TypeError("a bug\nof two lines")

    server = Httpd(("127.0.0.1", 0), {"/": broken})
    server.start()
    with contextlib.closing(server):
        assert Door(Receiver(str, lambda: None), server.port, []).knock("GET", {}, b"", "/") == 500
    (record,) = caplog.records
    assert record.getMessage().startswith("cannot answer /: TypeError: a bug of two lines (broken")
    assert record.exc_info is None


def test_a_probe_says_why() -> None:
    why = ["no pass began for 300 s"]
    server = Httpd(("127.0.0.1", 0), {"/healthz": probe(lambda: why[0])})
    server.start()
    with contextlib.closing(server):
        door = Door(Receiver(str, lambda: None), server.port, [])
        assert door.knock("GET", {}, b"", "/healthz") == 503
        why[0] = ""
        assert door.knock("GET", {}, b"", "/healthz?verbose") == 200


def test_a_port_in_use_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(M2sError, match=f"--listen 127.0.0.1:{port}: .*another port"):
            Httpd(("127.0.0.1", port), {})


@pytest.mark.thorough
def test_a_port_in_use_ends_the_command(sqlite_registry: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        where = ("--tracking-uri", sqlite_registry, "--target", "dir:cluster")
        done = process("watch", "--stage", "Staging", *where, "--listen", f"127.0.0.1:{port}")
    assert done.code == 1
    assert done.error == f"--listen 127.0.0.1:{port}: Address already in use: choose another port"
