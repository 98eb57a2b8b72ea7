"""What the chart's Role allows: the whole work of m2s, and with any verb less not."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kits.chart_kit import Helm, create, token
from tests.kits.support import Models, Result, description, m2s
from tests.kits.watch_kit import Watch
from tests.kits.worlds import Namespace
from tests.servers import ApiServer, free_port, wait_for

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them

DRIFT = [{"op": "replace", "path": "/spec/predictors/0/replicas", "value": 7}]


@dataclass(frozen=True)
class Bound:
    """m2s with the ServiceAccount of an installed release, and a registry of its own."""

    models: Models
    objects: Namespace
    flags: tuple[str, ...]

    def __call__(self, command: str, *argv: str) -> Result:
        return m2s(command, *self.flags, *argv)


@pytest.fixture
def bound(
    helm: Helm, api_server: ApiServer, sqlite_registry: str, tmp_path: Path
) -> Callable[..., Bound]:
    """Install the chart's account, Role and RoleBinding, less the verbs ``without``."""

    def install(*without: tuple[str, str], sets: tuple[str, ...] = ()) -> Bound:
        system, models = api_server.namespace("m2s"), api_server.namespace("models")
        where = f"mlflow.namespace={models}"
        release = helm.template(None, "mlflow.stage=Staging", where, *sets, namespace=system)
        for kind in ("ServiceAccount", "Role", "RoleBinding"):
            for body in release.all(kind):
                create(api_server, _reduced(body, without))
        config = tmp_path / "m2s.yaml"
        config.write_text(release.config)
        account = token(api_server, release.one("ServiceAccount"))
        kubeconfig = str(api_server.kubeconfig(account, namespace=models))
        edges = ("--tracking-uri", sqlite_registry, "--kubeconfig", kubeconfig)
        flags = ("--config", str(config), *edges)
        return Bound(Models(sqlite_registry), Namespace(api_server, models), flags)

    return install


def _reduced(body: dict[str, Any], without: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    rules = [
        {**rule, "verbs": [v for v in rule["verbs"] if (rule["resources"][0], v) not in without]}
        for rule in body.get("rules", ())
    ]
    return {**body, "rules": [r for r in rules if r["verbs"]]} if "rules" in body else body


def day(world: Bound) -> Iterator[Result]:
    """A promotion, the next version, drift, and an archived model, each by a command."""
    world.models.add("iris")
    world.models.add("wine")
    yield world("plan")
    yield world("apply", "--prune")
    world.models.add("iris")
    yield world("apply", "--prune")
    if "iris-staging" in world.objects.all():
        world.objects.patch("iris-staging", DRIFT)
    yield world("apply", "--prune")
    world.models.move("wine", 1, "Archived")
    yield world("apply", "--prune")


def test_the_charts_role_is_enough(bound: Callable[..., Bound]) -> None:
    world = bound()
    for result in day(world):
        assert result.code == 0, result
    (iris,) = world.objects.all().values()
    assert iris["metadata"]["labels"]["m2s.io/version"] == "2"
    assert iris["spec"]["predictors"][0]["replicas"] == 1
    assert world("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("verb", ["list", "create", "patch", "delete"])
def test_without_any_one_verb_of_it_the_day_fails(
    bound: Callable[..., Bound], verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    world = bound(("seldondeployments", verb))
    failed = next(result for result in day(world) if result.code)
    said = [line for line in (failed.out + failed.err).splitlines() if "may not" in line]
    assert said, failed
    assert all(verb in line for line in said), failed


def test_one_pass_of_watch_needs_no_more(bound: Callable[..., Bound]) -> None:
    world = bound()
    world.models.add("iris")
    result = world("watch", "--once", "--no-leader-elect", "--prune")
    assert result.code == 0, result
    assert set(world.objects.all()) == {"iris-staging"}


Controller = Callable[..., Watch]


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    """Start `m2s watch` as the chart's Pod does, with shorter times and a port of the test's."""
    with ExitStack() as stack:

        def start(world: Bound, port: int | None = None) -> Watch:
            listen = f"127.0.0.1:{port or free_port()}"
            watch = Watch(tmp_path, *world.flags, "--interval", "1s", "--listen", listen)
            stack.callback(watch.kill)
            return watch

        yield start


def test_the_controller_works_all_day_under_the_charts_role(
    helm: Helm, bound: Callable[..., Bound], controller: Controller
) -> None:
    world, port = bound(), free_port()
    watch = controller(world, port)

    def served(name: str) -> Any:
        return world.objects.all().get(f"{name}-staging")

    world.models.add("iris")
    world.models.add("wine")
    wait_for(lambda: served("iris") and served("wine"), "both to be served")
    world.objects.patch("iris-staging", DRIFT)
    wait_for(lambda: served("iris")["spec"]["predictors"][0]["replicas"] == 1, "drift to go")
    world.models.move("wine", 1, "Archived")
    wait_for(lambda: not served("wine"), "wine to leave")
    for probe in ("livenessProbe", "readinessProbe"):
        path = helm.template().container[probe]["httpGet"]["path"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            assert answer.status == 200, path
    assert watch.end() == 0
    assert not watch.said("may not"), watch.text


@pytest.mark.parametrize(
    ("resource", "verb"),
    [
        ("seldondeployments", "watch"),
        ("leases", "get"),
        ("leases", "create"),
        ("leases", "update"),
        ("events", "create"),
    ],
)
def test_the_controller_says_which_verb_it_lacks(
    bound: Callable[..., Bound], controller: Controller, resource: str, verb: str
) -> None:
    world = bound((resource, verb))
    world.models.add("iris")
    watch = controller(world)
    refusal = f"may not {verb} {resource}"
    wait_for(lambda: refusal in watch.text or "Traceback" in watch.text, refusal)
    assert "Traceback" not in watch.text, watch.text


def test_the_role_is_not_for_other_namespaces(bound: Callable[..., Bound]) -> None:
    world = bound()
    elsewhere = world.objects.server.namespace()
    result = world("plan", "-n", elsewhere)
    assert result.code == 1
    assert elsewhere in result.error


@pytest.mark.parametrize("wanted", [True, False])
def test_secrets_are_looked_at_only_when_told(bound: Callable[..., Bound], wanted: bool) -> None:
    world = bound(sets=(f"preflight={str(wanted).lower()}",))
    server, name = world.objects.server, world.objects.name
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "there", "namespace": name},
    }
    create(server, {**secret, "stringData": {"RCLONE_CONFIG_S3_TYPE": "s3"}})
    body = yaml.safe_load(description())
    for secret_name in ("there", "gone"):
        body["spec"]["predictors"][0]["graph"]["envSecretRefName"] = secret_name
        world.models.add(secret_name, yaml.safe_dump(body))
    plan = world("plan", "-o", "json")
    assert plan.code == 0, plan
    said = plan.out + plan.err
    assert ("Secret gone" in said) is wanted
    assert "Secret there" not in said
    assert "may not get secrets" not in said
