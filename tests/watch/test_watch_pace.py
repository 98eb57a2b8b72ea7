"""When the next pass begins, on a clock of the test's own."""

from __future__ import annotations

import random

import pytest

from m2s.watch.pace import LONGEST_PAUSE, Pace, Window


def next_of(pace: Pace, began: float = 0, *, ok: bool = True, early: bool = False) -> Window:
    return pace.next(began, began + 0.05, 30, ok=ok, early=early)


def test_an_interval_is_jittered_by_a_tenth_at_most() -> None:
    pace = Pace(random.Random(1))
    latest = [next_of(pace).latest for _ in range(200)]
    assert 27 <= min(latest) < 28
    assert 32 < max(latest) <= 33


def test_a_trigger_need_not_wait_once_a_second_has_passed() -> None:
    assert next_of(Pace()).earliest == 1


def test_errors_pause_longer_and_longer_whatever_triggers_come() -> None:
    pace = Pace(random.Random(1))
    pauses = []
    for _ in range(12):
        window = next_of(pace, ok=False)
        assert window.earliest == window.latest
        pauses.append(window.latest - 0.05)
    assert pauses[:5] == pytest.approx([1, 2, 4, 8, 16], rel=0.11)
    assert pauses[-3:] == pytest.approx([LONGEST_PAUSE] * 3, rel=0.11)
    assert len(set(pauses[-3:])) == 3


def test_one_success_ends_the_pauses() -> None:
    pace = Pace(random.Random(1))
    for _ in range(5):
        next_of(pace, ok=False)
    assert next_of(pace).latest > 26
    assert next_of(pace, ok=False).latest < 1.2


def test_triggers_that_keep_coming_are_spaced_up_to_the_interval() -> None:
    pace, began, gaps = Pace(), 0.0, []
    for _ in range(40):
        earliest = next_of(pace, began, early=True).earliest
        gaps.append(earliest - began)
        began = earliest
    assert gaps[:4] == [1, 2, 4, 8]
    assert max(gaps) <= 30
    assert began > 40 * 5  # a fight with another controller costs a pass each few seconds


def test_a_rare_trigger_is_never_made_to_wait() -> None:
    pace = Pace()
    assert {next_of(pace, at * 40.0, early=True).earliest - at * 40 for at in range(10)} == {1}


def test_a_slow_pass_is_not_followed_at_once() -> None:
    window = Pace().next(0, 100, 30, ok=True, early=False)
    assert 100 < window.earliest <= window.latest
