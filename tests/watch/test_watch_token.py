"""A token that is replaced in its file while ``m2s watch`` runs, and the old one refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.kits.chart_kit import Helm
from tests.kits.pod_kit import Account, Token, install
from tests.kits.support import Models, description
from tests.kits.watch_kit import Start, Watch
from tests.kits.worlds import Namespace
from tests.observers.test_events import await_event
from tests.servers import ApiServer, FaultProxy, wait_for
from tests.watch.test_watch import version_of

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them

CONNECTIONS = {
    "passes": ("GET", "limit="),
    "the watch": ("GET", "watch=true"),
    "the Lease": ("PUT", "leases/"),
    "Events": ("POST", "/events"),
}


_numbers = itertools.count(1)


def all_use(proxy: FaultProxy, token: Token) -> bool:
    """Whether every connection has asked with this token."""
    return set(CONNECTIONS) == {
        name
        for name, (method, path) in CONNECTIONS.items()
        for request in proxy.requests
        if request.method == method and path in request.path
        if request.headers["authorization"].split()[1] == token.text
    }


def in_pod(account: Account, proxy: FaultProxy) -> dict[str, Any]:
    return {"program": account.program, **account.environment(proxy.url)}


def by_kubeconfig(account: Account, proxy: FaultProxy) -> dict[str, Any]:
    return {"KUBECONFIG": str(account.kubeconfig(proxy.url))}


@dataclass(frozen=True)
class Scene:
    """A running ``m2s watch`` that logs in with a token from a file."""

    account: Account
    proxy: FaultProxy
    models: Models
    watch: Watch
    first: Token

    @property
    def objects(self) -> Namespace:
        return Namespace(self.account.server, self.account.models)

    def broken_off(self) -> bool:
        """Whether the watch stream has ended: after so many bytes, which each status adds to."""
        status = {"status": {"replicas": next(_numbers)}}
        self.objects.patch("iris", status, part="status")
        return self.proxy.count("GET", "watch=true") > 1


@pytest.fixture
def scenes(
    helm: Helm, api_server: ApiServer, sqlite_registry: str, start: Start, tmp_path: Path,
    fault_proxy: Callable[..., FaultProxy],
) -> list[Scene]:  # fmt: skip
    """One for each way in which m2s is told of the file; they share a registry."""
    models = Models(sqlite_registry)
    models.add("iris", description("iris"))

    def scene(login: Callable[..., dict[str, Any]]) -> Scene:
        mount = tmp_path / login.__name__
        account = install(helm, api_server, mount, "mlflow.stage=Staging")
        proxy, first = fault_proxy(api_server), account.rotate()
        proxy.cut(path="watch=true", at_byte=20_000, times=1)
        config = mount / "m2s.yaml"
        config.write_text(account.release.config)
        where = ("--config", str(config), "--tracking-uri", sqlite_registry)
        quick = ("--interval", "1s", "--listen", "127.0.0.1:0")
        watch = start(*where, *quick, **login(account, proxy))
        return Scene(account, proxy, models, watch, first)

    return [scene(in_pod), scene(by_kubeconfig)]


def test_a_replaced_token_is_taken_over_by_every_connection(scenes: list[Scene]) -> None:
    for each in scenes:
        await_event(each.objects, "iris", "Applied")
        wait_for(partial(all_use, each.proxy, each.first), "every connection")
    seconds = [each.account.rotate() for each in scenes]
    for each in scenes:
        each.account.revoke(each.first)
    for each in scenes:
        each.account.await_refusal(each.first)
        wait_for(each.broken_off, "the watch to be begun again")
    models = scenes[0].models
    models.add("iris", description("iris"), stage=None)
    models.move("iris", 2, "Staging")
    for each, second in zip(scenes, seconds, strict=True):
        await_event(each.objects, "iris", "Promoted")
        assert version_of(each.objects, "iris") == "2"
        wait_for(partial(all_use, each.proxy, second), "every connection to use the new one")
        assert each.watch.end() == 0
        told = each.watch.lines
        assert [line for line in told if line["level"] in ("error", "critical")] == []
        assert not each.watch.said("no longer leading"), told
        assert not each.watch.said("may not"), told
