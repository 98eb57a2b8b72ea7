"""The key ``policy`` of m2s.yaml: a word of ``watch``'s, or what descriptions may ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2s.base.errors import UsageError
from m2s.domain.policy import LISTS, Policy
from m2s.settings import build
from m2s.settings.groups import Settings
from tests.kits.support import tried


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str) -> Settings:
    Path("m2s.yaml").write_text(f"stage: Staging\npolicy:{text}\n")
    return build.build({}, {})


def test_the_level_is_baseline_unless_it_is_said() -> None:
    chosen = build.build({"stage": ["Staging"]}, {})
    assert chosen.description_policy == Policy("baseline", "enforce", ())
    assert read(" sync").description_policy == Policy()
    assert read(" {}").description_policy == Policy()


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        (" restricted", Policy("restricted")),
        (" warn", Policy(mode="warn")),
        (" {level: privileged}", Policy("privileged")),
        ("\n  mode: warn\n  images: [a/*]", Policy(mode="warn", lists=(("images", ("a/*",)),))),
        (" {service-accounts: []}", Policy(lists=(("serviceAccounts", ()),))),
        (" {serviceAccounts: [a, b]}", Policy(lists=(("serviceAccounts", ("a", "b")),))),
    ],
)
def test_reads_a_policy(text: str, policy: Policy) -> None:
    assert read(text).description_policy == policy
    assert read(text).policy is None


def test_what_watch_deletes_is_said_along_with_it_or_over_it() -> None:
    chosen = read(" {deletions: sync, level: restricted}")
    assert chosen.syncs
    assert chosen.description_policy.level == "restricted"
    chosen = build.build({"policy": "upsert-only"}, {})
    assert not chosen.syncs
    assert chosen.description_policy.level == "restricted"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (" {levl: baseline}", "2: policy.levl: no such key; did you mean level?"),
        ("\n  level: high", "3: policy.level: wants baseline or restricted or privileged, not "),
        ("\n  mode: warn\n  images: a", "4: policy.images: wants a list of texts such as "),
        (" {secrets: [1]}", "2: policy.secrets: wants a list of texts such as "),
        (" {kinds: }", "2: policy.kinds: wants a list of texts such as "),
        (" {mode: on}", "2: policy.mode: wants enforce or warn, not "),
        (" {deletions: all}", "2: policy.deletions: wants sync or upsert-only, not 'all'"),
        (" synk", "2: policy: wants sync or upsert-only, or a mapping with level, mode, "),
        ("", "2: policy: wants sync or upsert-only, or a mapping with level, mode, "),
        (" [baseline]", "2: policy: wants sync or upsert-only, or a mapping with level, mode, "),
        (" {level: [a]}", "2: policy.level: wants baseline or restricted or privileged, not "),
    ],
)
def test_names_the_line_and_the_remedy_of_a_mistake(text: str, line: str) -> None:
    with pytest.raises(UsageError) as raised:
        read(text)
    assert str(raised.value).startswith(f"m2s.yaml:{line}")


@pytest.mark.parametrize("name", LISTS)
@tried(60)
@given(st.text("a*?[]!-/.", max_size=12))
def test_a_pattern_has_no_other_special_characters_than_the_star(name: str, text: str) -> None:
    plain = text.replace("*", "")
    assert Policy(lists=((name, (plain,)),)).allows(name, plain)
    assert Policy(lists=((name, (text,)),)).allows(name, text.replace("*", "any"))
    assert not Policy(lists=((name, (plain,)),)).allows(name, f"{plain}x")
    assert not Policy(lists=((name, ()),)).allows(name, plain)
    assert Policy(lists=((name, ()),)).allows("others", plain)
