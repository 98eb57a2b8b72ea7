"""What is let in at ``POST /mlflow``, with MLflow's own signing as the oracle."""

from __future__ import annotations

import contextlib
import http.client
import logging
import socket
import time
from collections.abc import Iterator, Mapping
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
from m2s.watch.http_server import Httpd, probe
from m2s.watch.webhook import LARGEST, Delivery, Receiver, fault, sign
from tests.kits.support import process

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
    assert door.knock("POST", {"Content-Length": "-1"}, b"") == 411
    assert door.receiver.refused == 0


def test_a_client_that_hangs_does_not_keep_others_out(door: Door) -> None:
    with socket.create_connection(("127.0.0.1", door.port)) as slow:
        slow.sendall(b"POST /mlflow HTTP/1.1\r\nContent-Le")
        assert door.deliver(delivery(at=time.time())) == 204


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


def test_a_port_in_use_ends_the_command(sqlite_registry: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        where = ("--tracking-uri", sqlite_registry, "--target", "dir:cluster")
        done = process("watch", "--stage", "Staging", *where, "--listen", f"127.0.0.1:{port}")
    assert done.code == 1
    assert done.error == f"--listen 127.0.0.1:{port}: Address already in use: choose another port"
