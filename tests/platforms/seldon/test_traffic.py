"""Aliases as traffic: champion and challenger in one deployment, by Seldon Core's rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from m2s.base.errors import UsageError
from m2s.domain.versions import Selector
from m2s.platforms.seldon.description import refusal
from m2s.settings import split
from m2s.settings.build import build
from m2s.settings.split import Share
from tests.kits.support import Result, description, m2s, seldon
from tests.kits.worlds import ON_CLUSTER, ON_FOLDER, World

SPLIT = "champion=90,challenger=10"


def test_a_split_is_read_from_flags_variables_and_files(tmp_path: Path) -> None:
    shares = (Share("champion", 90), Share("challenger", 10))
    assert build({"split": SPLIT}, {}).split == shares
    assert build({}, {"M2S_SPLIT": "champion=90, challenger=10"}).split == shares
    file = tmp_path / "m2s.yaml"
    file.write_text("split: {champion: 90, challenger: 10}\n")
    chosen = build({}, {}, str(file))
    assert chosen.split == shares
    assert chosen.selectors == (Selector("alias", "champion"),)
    assert chosen.owners == {"alias-champion"}
    assert build({"stage": ["Staging"]}, {"M2S_SPLIT": SPLIT}).split is None
    assert build({"split": "a=100,b=shadow"}, {"M2S_STAGE": "Staging"}).selectors == (
        Selector("alias", "a"),
    )
    with pytest.raises(UsageError, match="leave stage out"):
        build({"split": SPLIT, "stage": ["Staging"]}, {})


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("champion=80,challenger=10", "champion=80,challenger=10 sums to 90; the traffic must sum"),
        ("champion=90,challenger=20", "sums to 110"),
        ("champion=100,challenger=shadow,canary=shadow", "more than one shadow"),
        ("champion=shadow", "the first alias is the main one; it cannot be the shadow"),
        ("champion=50,champion=50", "the alias champion is given twice"),
        ("champion", "champion wants a percentage from 0 to 100, or shadow, not ''"),
        ("champion=nine", "wants a percentage"),
        ("champion=-1,b=101", "wants a percentage"),
        ("champion=99.5,b=0.5", "wants a percentage"),
        ("=100", "wants ALIAS=PERCENT"),
        (" ", "wants ALIAS=PERCENT,ALIAS=PERCENT"),
        ([1], "wants ALIAS=PERCENT,ALIAS=PERCENT"),
        ({"champion": True}, "wants a percentage"),
        ({}, "wants ALIAS=PERCENT"),
    ],
)
def test_says_what_is_wrong_with_a_split(raw: Any, message: str) -> None:
    with pytest.raises(ValueError, match="^[^\n]+$") as raised:
        split.parse(raw)
    assert message in str(raised.value)


def predictors(*items: dict[str, Any]) -> dict[str, Any]:
    return {"predictors": [{"graph": {}, **item} for item in items]}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (predictors({"name": "a"}), ""),
        (predictors({"name": "a", "traffic": 100}), ""),
        (predictors({"name": "a", "traffic": 0}), ""),
        (predictors({"name": "a", "traffic": 50}), "sums to 50 (a 50); it must sum to 100"),
        (predictors({"name": "a", "traffic": 75}, {"name": "b", "traffic": 25}), ""),
        (predictors({"name": "a", "traffic": 75}, {"name": "b"}), "sums to 75 (a 75, b 0)"),
        (predictors({"name": "a"}, {"name": "b"}), "sums to 0"),
        (predictors({"name": "a"}, {"name": "b", "shadow": True}), ""),
        (
            predictors({"name": "a", "traffic": 100}, {"name": "b", "shadow": True, "traffic": 9}),
            "",
        ),
        (predictors({"name": "a", "shadow": True}), "the shadow is the only predictor"),
        (
            predictors({"name": "a"}, {"name": "b", "shadow": True}, {"name": "c", "shadow": True}),
            "more than one predictor is a shadow",
        ),
        (
            predictors({"name": "a", "traffic": 50}, {"name": "a", "traffic": 50}),
            "two predictors are named 'a'",
        ),
        (predictors({"name": "a", "traffic": "x"}, {"name": "b"}), ""),  # the API server's
    ],
)
def test_seldon_cores_rules(spec: dict[str, Any], words: str) -> None:
    assert words in (refusal(spec) or "")
    assert bool(words) == bool(refusal(spec))


class Shop:
    """A world that is served by aliases; its models have deploy.yaml files."""

    def __init__(self, world: World, shares: str = SPLIT) -> None:
        self.world, self.shares = world, shares
        at = world.flags.index("--tracking-uri")
        self.flags = (*world.flags[at:], "--no-preflight")

    def __call__(self, command: str, *argv: str) -> Result:
        return m2s(command, "--split", self.shares, *self.flags, *argv)

    def add(self, alias: str | None, deploy: str | None = "", model: str = "iris") -> int:
        return self.world.models.add(model, deploy, stage=None, alias=alias)

    def plan(self, *argv: str) -> dict[str, dict[str, Any]]:
        result = self("plan", "-o", "json", *argv)
        assert result.code == 0, result
        return result.changes

    def apply(self, *argv: str) -> None:
        result = self("apply", *argv)
        assert result.code == 0, result
        assert self("plan", "--detailed-exitcode").code == 0

    def served(self, name: str = "iris-champion") -> dict[str, tuple[Any, Any, str]]:
        """Return traffic, shadow and the version by predictor."""
        sources = {
            version.source: version.version
            for version in self.world.models.client.search_model_versions()
        }
        spec = self.world.objects.all()[name]["spec"]
        return {
            one["name"]: (
                one.get("traffic"),
                one.get("shadow"),
                f"v{sources[one['graph']['modelUri']]}",
            )
            for one in spec["predictors"]
        }


@pytest.fixture(params=[ON_FOLDER, ON_CLUSTER])
def shop(request: pytest.FixtureRequest) -> Shop:
    return Shop(request.getfixturevalue(request.param))


@pytest.fixture
def small(on_folder: World) -> Shop:
    return Shop(on_folder)


def test_champion_and_challenger_share_the_traffic(shop: Shop) -> None:
    shop.add("champion", description(replicas=3))
    shop.add("challenger", description(image="1.19.0"))
    change = shop.plan()["iris-champion"]
    assert change["reason"] == "v1 is champion, v2 challenger"
    assert change["models"] == [
        {"model": "iris", "version": "1", "alias": "champion"},
        {"model": "iris", "version": "2", "alias": "challenger"},
    ]
    shop.apply()
    assert shop.served() == {"champion": (90, None, "v1"), "challenger": (10, None, "v2")}
    made = shop.world.objects.all()["iris-champion"]
    champion, challenger = made["spec"]["predictors"]
    assert (champion["replicas"], challenger["replicas"]) == (3, 1)
    image = challenger["componentSpecs"][0]["spec"]["containers"][0]["image"]
    assert image == "server:1.19.0"
    assert made["metadata"]["annotations"]["m2s.io/version"] == "1"


@pytest.mark.thorough
def test_the_promotion_of_the_challenger_is_one_row_and_one_write(shop: Shop) -> None:
    shop.add("champion")
    shop.add("challenger")
    shop.apply()
    shop.world.models.alias("iris", "champion", 2)
    (change,) = shop.plan().values()
    assert change["action"] == "update"
    assert change["reason"] == "promoted v1 → v2 (champion), no challenger any more"
    result = shop("apply", "-o", "json")
    assert [one["status"] for one in result.document["outcomes"]] == ["updated"]
    assert shop.served() == {"champion": (100, None, "v2")}
    shop.add("challenger")
    (change,) = shop.plan().values()
    assert change["reason"] == "v3 is challenger"
    shop.apply()
    shop.world.models.alias("iris", "champion", 1)
    shop.world.models.alias("iris", "challenger", 2)
    (change,) = shop.plan().values()
    assert change["reason"] == ("rolled back v2 → v1 (champion), rolled back v3 → v2 (challenger)")


def test_a_shadow_gets_a_copy_of_the_requests(shop: Shop) -> None:
    shop.shares = "champion=100,challenger=shadow"
    shop.add("champion")
    shop.add("challenger")
    shop.apply()
    assert shop.served() == {"champion": (100, None, "v1"), "challenger": (None, True, "v2")}


def test_an_alias_alone_becomes_a_split_without_a_new_deployment(shop: Shop) -> None:
    shop.add("champion")
    shop.add("challenger")
    assert m2s("apply", "--alias", "champion", *shop.flags).code == 0
    assert list(shop.served()) == ["default"]
    assert shop.plan()["iris-champion"]["reason"] == "v2 is challenger"
    shop.apply()
    assert list(shop.served()) == ["champion", "challenger"]


@pytest.mark.parametrize(
    ("shares", "aliases", "expected"),
    [
        (SPLIT, {"champion": 1}, {"champion": (100, None, "v1")}),
        (SPLIT, {"champion": 1, "challenger": 1}, {"champion": (100, None, "v1")}),
        (
            "champion=100,challenger=shadow",
            {"champion": 1, "challenger": 1},
            {"champion": (100, None, "v1")},
        ),
        (
            "champion=80,challenger=15,canary=5",
            {"champion": 1, "canary": 2},
            {"champion": (95, None, "v1"), "canary": (5, None, "v2")},
        ),
        (
            "champion=80,challenger=15,canary=5",
            {"champion": 1, "challenger": 2, "canary": 2},
            {"champion": (80, None, "v1"), "challenger": (20, None, "v2")},
        ),
        (
            "champion=95,challenger=shadow,canary=5",
            {"champion": 1, "challenger": 2, "canary": 2},
            {"champion": (95, None, "v1"), "canary": (5, None, "v2")},
        ),
    ],
)
def test_each_version_gets_one_predictor(
    small: Shop, shares: str, aliases: dict[str, int], expected: dict[str, Any]
) -> None:
    small.shares = shares
    for _ in set(aliases.values()):
        small.add(None)
    for alias, version in aliases.items():
        small.world.models.alias("iris", alias, version)
    small.apply()
    assert small.served() == expected


def test_a_model_without_a_champion_is_not_served(small: Shop) -> None:
    small.add("champion")
    small.add("challenger")
    small.apply()
    small.add("champion", model="other")
    small.world.models.alias("iris", "champion", None)
    small("apply", "--prune", "--max-delete", "1")
    assert list(small.world.objects.all()) == ["other-champion"]


@pytest.mark.parametrize("trouble", ["not ready", "points at nothing", "unreadable file"])
def test_a_challenger_in_trouble_holds_the_deployment(shop: Shop, trouble: str) -> None:
    shop.add("champion")
    shop.add("challenger")
    shop.apply()
    before = shop.world.objects.all()
    # The champion moves as well: half of a change is not made.
    shop.add("champion")
    deploy = "a: [" if trouble == "unreadable file" else ""
    version = shop.add("challenger", deploy)
    if trouble == "not ready":
        shop.world.models.set_status("iris", version, "FAILED_REGISTRATION")
    if trouble == "points at nothing":
        shop.world.models.delete("iris", version)
    result = shop("apply", "--prune", "-o", "json")
    (change,) = result.changes.values()
    if trouble == "points at nothing":
        # MLflow takes an alias away together with its version, so the traffic is the champion's.
        assert (change["action"], change["reason"]) == (
            "update", "promoted v1 → v3 (champion), no challenger any more"
        )  # fmt: skip
        return
    assert result.code == 1
    assert change["action"] == "blocked"
    assert change["reason"].startswith("challenger: ")
    assert shop.world.objects.all() == before


def test_a_deploy_yaml_that_breaks_seldons_rules_is_blocked(small: Shop) -> None:
    body = seldon("iris")
    first = body["spec"]["predictors"][0]
    body["spec"]["predictors"] = [{**first, "traffic": 80}, {**first, "name": "b", "traffic": 10}]
    small.world.models.add("iris", yaml.safe_dump(body))
    change = small.world.plan("--no-preflight")["iris"]
    assert change["action"] == "blocked"
    assert "the predictors' traffic sums to 90 (default 80, b 10)" in change["reason"]


def test_the_command_line_says_what_is_wrong_with_a_split(small: Shop) -> None:
    result = m2s("plan", "--split", "champion=80,challenger=10", *small.flags)
    assert result.code == 64
    assert result.error == (
        "--split: champion=80,challenger=10 sums to 90; the traffic must sum to 100"
    )
    result = small("plan", "--alias", "champion")
    assert (result.code, "leave alias out" in result.error) == (64, True)


def test_a_saved_plan_keeps_its_split(small: Shop, tmp_path: Path) -> None:
    small.add("champion")
    small.add("challenger")
    file = str(tmp_path / "plan.json")
    assert small("plan", "--out", file).code == 0
    assert m2s("apply", file, *small.flags).code == 0
    assert list(small.served()) == ["champion", "challenger"]
    assert m2s("apply", file, "--split", "champion=100", *small.flags).code == 64
