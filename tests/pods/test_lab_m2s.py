"""m2s, as a user runs it, on a cluster whose pods run: what it deploys answers."""

from __future__ import annotations

import json

import pytest

from tests.pods.lab import Lab
from tests.pods.models import Logged, log_models
from tests.pods.polling import polling
from tests.pods.team import WAIT, Team


@pytest.fixture(scope="module")
def versions(lab: Lab) -> tuple[Logged, Logged]:
    """Two versions with different answers."""
    first, second = log_models(lab.mlflow, "price", [3.0, 7.0])
    return first, second


def test_a_promoted_version_answers_and_the_next_takes_over_without_a_gap(
    lab: Lab, versions: tuple[Logged, Logged]
) -> None:
    first, second = versions
    team = Team(lab, "champion")
    team.promote(first)

    applied = team("apply", *WAIT)

    assert applied.code == 0, (applied, lab.logs(team.namespace))
    assert "verified: HTTP 200" in applied.out
    assert team.answer(first) == {"predictions": first.predicted}
    assert team.actions() == ["unchanged"]

    team.promote(second)
    with polling(lambda: team.answer(first)) as polled:
        applied = team("apply", *WAIT)
        assert applied.code == 0, (applied, lab.logs(team.namespace))
        lab.wait(
            team.namespace,
            lambda: polled.answers[-1] == {"predictions": second.predicted},
            "an answer of the new version",
        )

    assert polled.failures == []
    assert team.actions() == ["unchanged"]


def test_a_version_that_cannot_be_installed_gives_way_and_no_request_is_lost(
    lab: Lab, versions: tuple[Logged, Logged]
) -> None:
    first, _ = versions
    (broken,) = log_models(lab.mlflow, "price", [9.0], requires="a-package-that-nobody-has==1.0")
    team = Team(lab, "careful")
    team.promote(first)
    assert team("apply", *WAIT).code == 0
    team.promote(broken)

    with polling(lambda: team.answer(first)) as polled:
        applied = team("apply", "--verify", "--rollback-on-failure", "--timeout", "60")

    assert applied.code == 1, applied
    assert polled.failures == []
    assert {json.dumps(one) for one in polled.answers} == {
        json.dumps({"predictions": first.predicted})
    }
    planned = team("plan")
    assert f"v{broken.version} did not roll out" in " ".join(planned.out.split()), planned
