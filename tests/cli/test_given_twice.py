"""A namespace is given once."""

from __future__ import annotations

import pytest

from tests.kits.support import m2s


@pytest.mark.parametrize(
    "argv", [("-n", "a", "-n", "b"), ("-n", "a", "--namespace=b"), ("--namespace", "a", "-n", "b")]
)
def test_a_namespace_given_twice_is_an_error(argv: tuple[str, ...]) -> None:
    result = m2s("plan", "--stage", "Staging", *argv)
    assert result.code == 64
    assert result.error.endswith(" is given twice: a and b; give it once")


def test_an_option_that_takes_several_is_given_again() -> None:
    result = m2s("plan", "--stage", "Staging", "--stage", "Production", "--target", "dir:/none")
    assert "given twice" not in result.err
