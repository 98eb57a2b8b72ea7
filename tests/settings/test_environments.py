"""An environment's keys mean what the same keys mean at the top of m2s.yaml."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from m2s.settings import build
from m2s.settings.groups import Settings
from tests.kits.support import tried

KEYS: dict[str, list[Any]] = {
    "stage": ["Staging", "Production"], "alias": ["champion"], "namespace": ["a", "b"],
    "owner": ["team"], "max-delete": [1, "20%"], "timeout": ["5m"], "prune": [True, False],
    "policy": ["sync", "upsert-only", {"level": "restricted"}], "model": [["fraud*"]],
    "ignore": [["/spec/replicas"]], "context": ["c"], "platform": ["kserve"],
}  # fmt: skip
parts = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) for name, values in KEYS.items()}
)


def of(body: dict[str, Any], *names: str, **variables: str) -> Settings:
    """Return the settings of an m2s.yaml in the environments ``names``."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "m2s.yaml"
        file.write_text(yaml.safe_dump(body) if body else "")
        chosen = build.build({"environment": list(names)} if names else {}, variables, str(file))
    return replace(chosen, environment=())


@tried(60)
@given(parts)
def test_an_entry_alone_is_as_the_file_with_its_keys(entry: dict[str, Any]) -> None:
    assert of({"environments": {"x": entry, "y": {"stage": "None"}}}, "x") == of(entry)


@tried(60)
@given(parts, parts)
def test_an_entry_stands_above_the_file_and_below_variables(
    file: dict[str, Any], entry: dict[str, Any]
) -> None:
    file.pop("policy", None)  # which stands above prune, wherever either is said
    whole = {**file, "environments": [{"name": "x", **entry}]}
    selecting = {"stage", "alias"}
    left = {k: v for k, v in file.items() if not (selecting & {*entry} and k in selecting)}
    assert of(whole, "x", M2S_TIMEOUT="7s") == of({**left, **entry, "timeout": "7s"})
    assert of(whole) == of(file)
