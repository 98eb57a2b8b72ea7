"""``environments`` of m2s.yaml: one command over several places, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kits.support import description, m2s
from tests.kits.worlds import World


@pytest.fixture
def file(on_folder: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An m2s.yaml with two environments, in the working directory."""
    monkeypatch.chdir(tmp_path)
    target = on_folder.flags[on_folder.flags.index("--target") + 1]
    body = {
        "tracking-uri": on_folder.models.uri,
        "target": target,
        "environments": [
            {"name": "staging", "stage": "Staging", "namespace": "ml-staging"},
            {"name": "production", "stage": "Production", "namespace": "ml"},
        ],
    }
    (tmp_path / "m2s.yaml").write_text(yaml.safe_dump(body, sort_keys=False))
    on_folder.models.add("iris", description("iris"), stage="Staging")
    on_folder.models.add("wine", description("wine"), stage="Production")
    return tmp_path / "m2s.yaml"


def changed(file: Path, **keys: Any) -> None:
    """Write other keys into m2s.yaml."""
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **keys}, sort_keys=False))


def served(file: Path) -> dict[str, set[str]]:
    """Return the names of what is there, by namespace."""
    folder = file.parent / "cluster"
    return {each.name: {one.stem for one in each.glob("*.yaml")} for each in folder.glob("*")}


def test_one_is_chosen_by_its_name(file: Path) -> None:
    assert m2s("apply", "-e", "production").code == 0
    assert served(file) == {"ml": {"wine"}}


def test_all_are_planned_and_applied_one_after_the_other(file: Path) -> None:
    planned = m2s("plan", "-A", "--detailed-exitcode")
    assert planned.code == 2
    assert planned.out.index("Environment staging") < planned.out.index("iris")
    assert planned.out.index("iris") < planned.out.index("Environment production")
    assert m2s("apply", "-e", "staging", "-e", "production").code == 0
    assert served(file) == {"ml-staging": {"iris"}, "ml": {"wine"}}
    assert m2s("plan", "-A", "--detailed-exitcode").code == 0
    assert m2s("prune", "-A", "--yes").code == 0
    assert served(file) == {"ml-staging": {"iris"}, "ml": {"wine"}}


@pytest.mark.parametrize("output", ["json", "yaml"])
def test_a_structured_result_is_one_document(file: Path, output: str) -> None:
    printed = yaml.safe_load(m2s("plan", "-A", "-o", output).out)
    assert [*printed["environments"]] == ["staging", "production"]
    names = {name: each["changes"][0]["name"] for name, each in printed["environments"].items()}
    assert names == {"staging": "iris", "production": "wine"}


def test_a_saved_plan_has_all_and_is_applied_as_it_was_seen(file: Path) -> None:
    out = file.parent / "plan.json"
    assert m2s("plan", "-A", "--out", str(out)).code == 0
    assert out.stat().st_mode & 0o777 == 0o600
    assert m2s("apply", str(out), "-e", "production").code == 0
    assert served(file) == {"ml": {"wine"}}
    stale = m2s("apply", str(out))
    assert stale.code == 3
    assert "environment production" in stale.error
    assert served(file) == {"ml": {"wine"}, "ml-staging": {"iris"}}
    assert m2s("apply", str(out), "-e", "none").code == 64


def test_a_plan_of_one_environment_is_applied_in_it(file: Path) -> None:
    out = file.parent / "plan.json"
    assert m2s("plan", "-e", "production", "--out", str(out)).code == 0
    assert m2s("apply", str(out)).code == 0
    assert served(file) == {"ml": {"wine"}}
    assert "leave it out" in m2s("apply", str(out), "-e", "staging").error


def test_one_that_fails_holds_up_no_other(file: Path) -> None:
    entries = yaml.safe_load(file.read_text())["environments"]
    gone = {**entries[0], "tracking-uri": f"sqlite:///{file.parent}/gone.db"}
    changed(file, environments=[gone, entries[1]])
    applied = m2s("apply", "-A")
    assert applied.code == 1
    assert applied.error.startswith("environment staging: ")
    assert served(file) == {"ml": {"wine"}}
    out = file.parent / "plan.json"
    assert m2s("plan", "-A", "--out", str(out)).code == 1
    assert not out.exists()


def test_variables_and_flags_stand_above_an_environment(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2S_ENVIRONMENT", "production")
    assert m2s("apply", "-n", "elsewhere").code == 0
    assert served(file) == {"elsewhere": {"wine"}}


def test_a_mapping_of_environments_is_as_good_as_a_list(file: Path) -> None:
    entries = yaml.safe_load(file.read_text())["environments"]
    changed(file, environments={each.pop("name"): each for each in entries})
    assert m2s("apply", "-A").code == 0
    assert served(file) == {"ml-staging": {"iris"}, "ml": {"wine"}}


def test_an_entry_may_have_defaults_and_a_policy(file: Path) -> None:
    entry = {
        "name": "staging", "stage": "Staging",
        "defaults": {"metadata": {"labels": {"team": "a"}}}, "policy": {"images": ["none/*"]},
    }  # fmt: skip
    changed(file, environments=[entry])
    applied = json.loads(m2s("plan", "-e", "staging", "-o", "json").out)
    assert applied["changes"][0]["action"] in ("blocked", "create")
    assert "team" in json.dumps(applied) or applied["changes"][0]["action"] == "blocked"


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("plan", "-e", "stagign"), "--environment stagign: no such one; did you mean staging?"),
        (("plan", "-e", "staging", "-A"), "give one of them"),
        (("plan", "-A", "-n", "x"), "--namespace: the environment staging has its own"),
        (("plan", "-A", "--stage", "None"), "--stage: the environment staging has its own"),
        (("rollback", "iris", "-e", "staging", "-e", "production"), "works in one environment"),
    ],
)
def test_what_is_not_meant_is_one_line(file: Path, argv: tuple[str, ...], words: str) -> None:
    result = m2s(*argv)
    assert result.code == 64
    assert words in result.error
    assert len(result.error.splitlines()) == 1
    assert served(file) == {}


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("staging", "m2s.yaml:3: environments wants a list of mappings with a name"),
        ([{"stage": "Staging"}], "wants a name"),
        ([{"name": "a"}, {"name": "a"}], "a is there twice"),
        ({"a": 1}, "a wants a mapping"),
        ([{"name": "a", "stagee": "x"}], "stagee: no such key; did you mean stage?"),
        ([{"name": "a", "environment": "b"}], "environment: no such key"),
        ([{"name": "a b"}], "wants a name of letters"),
        ([{"name": "a", "timeout": "soon"}], "timeout: "),
        ([{"name": "a", "stage": "Staging"}, {"name": "b", "stage": "Staging"}],
         "the environments a and b are of one owner in one namespace"),
        ([{"name": "a", "stage": "Staging", "namespace": "x", "context": "c"},
          {"name": "b", "stage": "Staging", "namespace": "x"}],
         "the environments a and b are of one owner in one namespace"),
    ],
)  # fmt: skip
def test_what_is_no_environment_is_told_with_its_line(file: Path, entries: Any, words: str) -> None:
    changed(file, environments=entries)
    result = m2s("plan", "-A")
    assert result.code == 64
    assert words in result.error
    assert len(result.error.splitlines()) == 1


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        ({"listen": ":1"}, {"listen": ":2"}, "listen: one m2s watch has one for all environments"),
        ({"workspace": "a"}, {"workspace": "b"}, "workspace: one m2s watch has one for all"),
        ({"leader-elect": True, "target": "kubernetes", "lease-name": "l", "namespace": "x"},
         {"leader-elect": True, "target": "kubernetes", "lease-name": "l", "namespace": "x"},
         "lease-name: the environments a and b would wait for each other's Lease"),
    ],
)  # fmt: skip
def test_what_one_watch_cannot_have_twice_is_refused(
    file: Path, one: dict[str, Any], other: dict[str, Any], words: str
) -> None:
    entries = [{"name": "a", "stage": "Staging", "namespace": "y", **one},
               {"name": "b", "stage": "Production", "namespace": "z", **other}]  # fmt: skip
    changed(file, environments=entries)
    result = m2s("watch", "-A")
    assert (result.code, words in result.error) == (64, True), result


def test_none_deletes_what_another_one_serves(file: Path, on_folder: World) -> None:
    entries = yaml.safe_load(file.read_text())["environments"]
    entries = [{**each, "namespace": "ml"} for each in entries]
    changed(file, environments=entries)
    on_folder.models.add("rose", description("rose"), stage="Staging")
    assert m2s("apply", "-A").code == 0
    on_folder.models.move("iris", 1, "Archived")
    assert m2s("prune", "-e", "staging", "--yes").code == 0
    assert served(file) == {"ml": {"rose", "wine"}}
    assert m2s("prune", "-A", "--yes").code == 0
    assert served(file) == {"ml": {"rose", "wine"}}
    changed(file, owner="team", environments=entries)
    for argv in (("prune", "-e", "staging", "--yes"), ("apply", "-A"), ("watch", "-A", "--once")):
        assert "are of one owner in one namespace" in m2s(*argv).error
    assert served(file) == {"ml": {"rose", "wine"}}


def test_without_any_there_is_none(file: Path) -> None:
    changed(file, environments=[])
    assert "--all-environments: m2s.yaml has no environments" in m2s("plan", "-A").error
    assert "m2s.yaml has no environments" in m2s("plan", "-e", "a").error


def test_status_and_check_take_them_too(file: Path) -> None:
    assert m2s("apply", "-A").code == 0
    told = m2s("status", "-A").out
    assert told.index("iris") < told.index("Environment production") < told.index("wine")
    assert [*json.loads(m2s("status", "-A", "-o", "json").out)["environments"]] == [
        "staging",
        "production",
    ]
    assert m2s("check", "-A").code == 0
