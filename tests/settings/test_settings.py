"""Flags > M2S_* > m2s.yaml > defaults, and every value checked in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from m2s.base.errors import UsageError
from m2s.domain.budget import MaxDelete
from m2s.domain.versions import Selector
from m2s.settings import build, options


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path / "m2s.yaml"


def test_flags_beat_variables_beat_the_file_beats_defaults(config: Path) -> None:
    config.write_text("namespace: file\ncontext: file\nowner: file\ntimeout: 5m\n")
    environ = {"M2S_NAMESPACE": "env", "M2S_CONTEXT": "env"}
    chosen = build.build({"namespace": "flag"}, environ)
    assert (chosen.namespace, chosen.context, chosen.owner) == ("flag", "env", "file")
    assert (chosen.timeout, chosen.request_timeout) == (300, 30)


def test_a_selector_of_a_higher_layer_replaces_a_lower_ones_of_either_kind(config: Path) -> None:
    config.write_text("stage: Production\n")
    assert build.build({}, {}).selectors == (Selector("stage", "Production"),)
    assert build.build({}, {"M2S_ALIAS": "champion"}).selectors == (Selector("alias", "champion"),)


def test_reads_lists_from_every_layer(config: Path) -> None:
    config.write_text(
        "stage: [staging, Production]\nmodel-uri-map: {'mlflow-artifacts:/': s3://b}\n"
    )
    chosen = build.build({}, {"M2S_MODEL": "iris*, wine quality\nfraud"})
    assert [each.name for each in chosen.selectors] == ["Staging", "Production"]
    assert chosen.models == ("iris*", "wine quality", "fraud")
    assert chosen.uri_map == (("mlflow-artifacts:/", "s3://b"),)


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("timeout", "1h30m", 5400), ("timeout", "250ms", 0.25), ("timeout", 90, 90),
        ("max-delete", "5", MaxDelete(5, 0)), ("max-delete", "100%", MaxDelete(0, 100)),
        ("max-delete", "5,30%", MaxDelete(5, 30)), ("max-delete", 0, MaxDelete(0, 0)),
        ("target", "dir:out", "dir:out"), ("ignore", [], ()), ("adopt", "yes", True),
        ("model-uri-map", ["a:/=b://c=d"], (("a:/", "b://c=d"),)),
        ("model-uri-map", ["s3://a/t=f/=s3://b/t=g/"], (("s3://a/t=f/", "s3://b/t=g/"),)),
        ("model-uri-map", ["s3://a/t=f/k=v=minio:b/"], (("s3://a/t=f/k=v", "minio:b/"),)),
        ("model-uri-map", {"s3://a=b://c/": "s3://d"}, (("s3://a=b://c/", "s3://d"),)),
    ],
)  # fmt: skip
def test_reads_a_value(name: str, raw: Any, value: Any) -> None:
    assert options.OPTIONS[name].parse(raw) == value


BAD: list[tuple[str, Any]] = [
    ("stage", "Stagin"), ("owner", "My Team"), ("namespace", "a/b"), ("target", "dir:"),
    ("target", "folder"), ("model-uri-map", ["x"]), ("model-uri-map", ["a=b=c"]),
    ("model-uri-map", ["a=b:/=c:/"]), ("on-conflict", "lowest"), ("adopt", "maybe"),
    ("ignore", ["spec.replicas"]), ("max-delete", "120%"), ("max-delete", "1.5"),
    ("max-delete", "many"), ("request-timeout", "soon"), ("timeout", "0s"), ("timeout", "-1"),
    ("concurrency", "0"), ("concurrency", "1000"), ("tracking-uri", " "), ("stage", [1]),
    ("workspace", "Team A"),
]  # fmt: skip


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(("name", "raw"), BAD)
def test_names_the_flag_of_a_bad_value(name: str, raw: Any) -> None:
    with pytest.raises(UsageError, match=rf"^--{name}: "):
        build.build({name: raw}, {})


@pytest.mark.usefixtures("config")
def test_a_number_that_python_would_not_read_is_one_of_too_many() -> None:
    with pytest.raises(UsageError, match=r"^--burst: wants a number of requests from 1 to 999999"):
        build.build({"burst": "9" * 5000}, {})


@pytest.mark.usefixtures("config")
def test_names_the_variable_of_a_bad_value() -> None:
    with pytest.raises(UsageError, match=r"^M2S_MAX_DELETE: wants a count"):
        build.build({}, {"M2S_MAX_DELETE": "many"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stage: Staging\nmax-delete: many\n", "m2s.yaml:2: max-delete: wants a count"),
        (
            "stage: Staging\nnamespce: x\n",
            "m2s.yaml:2: namespce: no such key; did you mean namespace?",
        ),
        (
            "model_uri_map: []\n",
            "m2s.yaml:1: model_uri_map: no such key; did you mean model-uri-map?",
        ),
        ("stage: [\n", "m2s.yaml:1: "),
        ("a: 1\na: 2\n", "m2s.yaml:2: the key 'a' is given twice"),
        ("- stage\n", "m2s.yaml:1: wants a mapping"),
        ("stage: Staging\n---\nstage: x\n", "m2s.yaml:3: a second document"),
    ],
)
def test_names_file_line_and_key_of_a_bad_config(config: Path, text: str, message: str) -> None:
    config.write_text(text)
    with pytest.raises(UsageError) as caught:
        build.build({}, {})
    assert str(caught.value).startswith(message)


@pytest.mark.usefixtures("config")
def test_a_config_that_is_named_must_be_there() -> None:
    assert build.build({}, {}).selectors == ()
    with pytest.raises(UsageError, match=r"nope\.yaml: no such file"):
        build.build({}, {}, "nope.yaml")


@pytest.mark.parametrize(
    ("budget", "owned", "most"),
    [("5,30%", 10, 5), ("5,30%", 100, 30), ("100%", 7, 7), ("0", 9, 0), ("3", 1000, 3)],
)
def test_the_deletion_budget_is_the_larger_of_both(budget: str, owned: int, most: int) -> None:
    allows = options.OPTIONS["max-delete"].parse(budget).allows
    assert allows(most, owned)
    assert not allows(most + 1, owned)
