"""Law 8, the options: a wrong value ends in one line, wherever it comes from."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from m2s.settings.options import OPTIONS
from tests.kits.support import m2s

WRONG = {
    "stage": "Prod", "namespace": "Not_A_Name", "owner": "Not An Owner", "target": "cloud:x",
    "model-uri-map": "no-equals-sign", "on-conflict": "lowest", "adopt": "perhaps",
    "force-conflicts": "si", "ignore": "spec.replicas", "max-delete": "many",
    "request-timeout": "soon", "concurrency": "0", "prune": "maybe", "wait": "maybe",
    "timeout": "-1s",
}  # fmt: skip
NO_FLAG_VALUE = {"adopt", "force-conflicts", "prune", "wait"}
"""--adopt and --no-adopt take no value on the command line."""


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's m2s.yaml is read."""
    monkeypatch.chdir(tmp_path)


def error_of(*argv: str) -> str:
    result = m2s("apply", "--tracking-uri", "http://127.0.0.1:9", "--target", "dir:x", *argv)
    assert (result.code, result.out) == (64, "")
    assert result.err.count("\n") == 1
    assert list(Path().iterdir()) in ([], [Path("m2s.yaml")])
    return result.error


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_names_where_it_came_from(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = WRONG[name]
    said = set()
    if name not in NO_FLAG_VALUE:
        said.add(error_of(f"--{name}", raw).removeprefix(f"--{name}: "))
    target = () if name != "target" else ("--stage", "Staging")
    if name != "target":  # the flag of error_of would win
        variable = "M2S_" + name.upper().replace("-", "_")
        monkeypatch.setenv(variable, raw)
        said.add(error_of(*target).removeprefix(f"{variable}: "))
        monkeypatch.delenv(variable)
    Path("m2s.yaml").write_text(f"# ours\n\n{name}: {raw!r}\n")
    line = error_of()
    assert line.startswith(f"m2s.yaml:3: {name}: ")
    said.add(line.removeprefix(f"m2s.yaml:3: {name}: "))
    assert len(said) == 1, "the same words wherever the value comes from"
    assert raw in said.pop()


def test_every_option_that_can_be_wrong_is_tried() -> None:
    any_text = {"alias", "model", "tracking-uri", "kubeconfig", "context"}
    assert set(OPTIONS) >= set(WRONG) | any_text


CONFIGS = {
    "an unknown key": ("stage: Staging\nnamespaces: x\n", "m2s.yaml:2: namespaces: ", "namespace"),
    "underscores": ("max_delete: 3\n", "m2s.yaml:1: max_delete: ", "did you mean max-delete?"),
    "nothing like it": ("zzzz: 3\n", "m2s.yaml:1: zzzz: ", "max-delete"),
    "a list": ("- stage\n", "m2s.yaml:1: ", "wants a mapping"),
    "a text": ("Staging\n", "m2s.yaml:1: ", "wants a mapping"),
    "two documents": ("stage: Staging\n---\nalias: a\n", "m2s.yaml:3: ", "second document"),
    "broken YAML": ("stage: [\n", "m2s.yaml:", ""),
    "a tab": ("stage:\n\t- Staging\n", "m2s.yaml:2: ", "a tab"),
    "a key twice": ("stage: Staging\nstage: None\n", "m2s.yaml:2: ", "'stage' is given twice"),
    "null": ("stage:\n", "m2s.yaml:1: stage: ", "text"),
    "a mapping": ("stage: {a: b}\n", "m2s.yaml:1: stage: ", "text"),
    "a number": ("namespace: 7\n", "m2s.yaml:1: namespace: ", "text"),
    "a bomb": ("a: &a [x, x]\n" * 1 + "b: &b [*a, *a]\n", "m2s.yaml:1: a: ", "no such key"),
}


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_bad_m2s_yaml_is_named_with_its_line(kind: str) -> None:
    text, start, says = CONFIGS[kind]
    Path("m2s.yaml").write_text(text)
    line = error_of()
    assert line.startswith(start)
    assert says in line


@pytest.mark.parametrize("path", ["none.yaml", ".", "/proc/1/mem"])
def test_a_config_that_cannot_be_read(path: str) -> None:
    assert error_of("--config", path).startswith(f"--config: {path}: ")


def test_a_config_that_is_not_text() -> None:
    Path("m2s.yaml").write_bytes(b"stage: gr\xf6\xdfe\n")
    assert error_of() == "m2s.yaml:1: not UTF-8 text"


def test_a_good_value_of_a_higher_layer_mends_no_bad_one_below() -> None:
    """A wrong line in the file is told even where a flag covers it."""
    Path("m2s.yaml").write_text(yaml.safe_dump({"stage": "Prod"}))
    assert error_of("--stage", "Staging").startswith("m2s.yaml:1: stage: ")
