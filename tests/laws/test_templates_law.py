"""Law 2 for templates and splits: after apply and prune the next plan is empty, for any input."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from m2s.domain.manifests import TemplateFile, Templates
from m2s.engine import reconcile
from m2s.engine.execute import execute
from m2s.engine.outcomes import Status
from m2s.plan.changes import Action, Blocked, Unchanged
from m2s.settings.build import build
from m2s.settings.groups import Settings
from m2s.sources.templates import TemplateFolder
from m2s.targets.cluster import Cluster
from m2s.targets.folder.namespace import FolderCluster
from m2s.targets.kubernetes.namespace import connect
from tests.kits.fakes import FakeRegistry
from tests.kits.generated import descriptions
from tests.kits.support import tried
from tests.kits.worlds import Namespace
from tests.servers import ApiServer

MODELS = ["iris", "wine quality", "a'b: {c}", "größe"]
HEAD = "apiVersion: machinelearning.seldon.io/v1\nkind: SeldonDeployment\n"
_NAMES = st.sampled_from(["one", "two", "iris-staging", "{{ selector.name | lower }}", "Odd One"])


class Given(TemplateFolder):
    """A folder of templates in memory."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        super().__init__("templates")
        self._texts = texts

    def _read(self) -> Templates:
        files = [TemplateFile(f"{n}.yaml", f"templates/{n}.yaml", t) for n, t in
                 sorted(self._texts.items()) if n != "base"]  # fmt: skip
        text = self._texts.get("base")
        base = TemplateFile("_base.yaml", "templates/_base.yaml", text) if text else None
        return Templates("templates", tuple(files), base)


def _placeholders() -> st.SearchStrategy[str]:
    model = st.sampled_from([repr(name) for name in [*MODELS, "nobody"]])
    return st.one_of(
        model.map(lambda name: f"{{{{ mlflow.s3[{name}] }}}}"),
        model.map(lambda name: f"{{{{ model({name}).uri }}}}"),
        model.map(lambda name: f"{{{{ model({name}).uri }}}}"),
        st.sampled_from(["{{ nothing }}", "{{ mlflow.gcs['iris'] }}", "s3://fixed"]),
    )


def _templates() -> st.SearchStrategy[str]:
    def text(name: str, uris: list[str], end: str) -> str:
        nodes = [f"{{name: n{n}, modelUri: {uri}}}" for n, uri in enumerate(uris)]
        graph = f"{{name: g, children: [{', '.join(nodes)}]}}"
        spec = f"spec: {{predictors: [{{name: p, graph: {graph}}}]}}\n"
        return f"{HEAD}metadata: {{name: '{name}'}}\n{spec}{end}"

    uris = st.lists(_placeholders(), min_size=1, max_size=3)
    ends = st.sampled_from([""] * 8 + ["  replicas: {{", "x: ["])
    return st.builds(text, _NAMES, uris, ends)


BASE = (
    HEAD + "spec: {predictors: [{name: p, graph: {name: b}, labels: {v: 'v{{ model.version }}'}}]}"
)


def _folders() -> st.SearchStrategy[dict[str, str]]:
    files = st.dictionaries(st.sampled_from(["a", "b", "c"]), _templates(), max_size=3)
    bases = st.sampled_from([{}, {}, {"base": BASE}, {"base": "{{ broken"}])
    return st.tuples(files, bases).map(lambda pair: {**pair[0], **pair[1]})


def _registries() -> st.SearchStrategy[FakeRegistry]:
    deploys = st.one_of(st.none(), st.none(), descriptions())
    stages = st.sampled_from(["Staging", "Staging", "Archived"])
    aliases = st.sampled_from([None, "champion", "challenger"])
    status = st.sampled_from(["READY"] * 9 + ["FAILED_REGISTRATION"])
    version = st.tuples(deploys, stages, aliases, status, st.integers(0, 9))
    models = st.dictionaries(st.sampled_from(MODELS), st.lists(version, min_size=1, max_size=3))
    return models.map(_filled)


def _filled(
    models: Mapping[str, list[tuple[bytes | None, str, str | None, str, int]]],
) -> FakeRegistry:
    registry = FakeRegistry()
    for model, versions in models.items():
        for deploy, stage, alias, status, luck in versions:
            number = registry.add(model, deploy, stage=stage, alias=alias, status=status)
            if luck == 0:
                registry.spoil(model, number, "its artifact store refuses (403)")
    return registry


def _settings() -> st.SearchStrategy[Settings]:
    flags: list[dict[str, Any]] = [
        {"stage": ["Staging"]},
        {"stage": ["Staging"], "deploy-file": "ignored"},
        {"stage": ["Staging", "Production"], "owner": "shop", "deploy-file": "optional"},
        {"split": "champion=90,challenger=10"},
        {"split": "champion=100,challenger=shadow"},
    ]
    more = {"concurrency": 2, "preflight": False}
    return st.sampled_from(flags).map(lambda some: build({**some, **more}, {}))


Moment = tuple[FakeRegistry, dict[str, str]]
HISTORIES = st.lists(st.tuples(_registries(), _folders()), min_size=1, max_size=3)


def converge(moment: Moment, cluster: Cluster, chosen: Settings) -> None:
    """Apply and prune, unless that is a question; then nothing is left to do."""
    registry, texts = moment
    folder = Given(texts)
    planned = reconcile.make_plan(registry, cluster, chosen, folder)
    if planned.doubtful:
        return
    names = [change.key.name for change in planned.changes if change.action is not Action.BLOCKED]
    assert len(names) == len(set(names))
    outcomes = execute(
        planned,
        cluster,
        delete=True,
        second_look=lambda live: reconcile.locate(registry, chosen, live, folder),
    )
    assert not [one for one in outcomes if one.status in (Status.FAILED, Status.HELD)]
    again = reconcile.make_plan(registry, cluster, chosen, folder)
    assert [c for c in again.changes if not isinstance(c, Unchanged | Blocked)] == []
    blocked = [change for change in again.changes if isinstance(change, Blocked)]
    assert len(blocked) == planned.count(Action.BLOCKED), [one.reason for one in blocked]


@tried(80)
@given(history=HISTORIES, chosen=_settings())
def test_in_a_folder(history: list[Moment], chosen: Settings) -> None:
    with TemporaryDirectory() as path:
        for moment in history:
            converge(moment, FolderCluster(path, "default"), chosen)


@tried(20, sharing=True)
@given(history=HISTORIES, chosen=_settings())
def test_on_the_api_server(
    api_server: ApiServer,
    namespace: str,
    kubeconfig: Path,
    history: list[Moment],
    chosen: Settings,
) -> None:
    cluster = connect(namespace, str(kubeconfig), None)
    Namespace(api_server, namespace).delete()
    for moment in history:
        converge(moment, cluster, chosen)
