"""What the image installs is locked with hashes, and the locks agree with what m2s asks for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = sorted(PROJECT["project"]["optional-dependencies"].keys() - {"dev"})
IMAGE = {
    "os_name": "posix", "sys_platform": "linux", "platform_system": "Linux",
    "platform_machine": "x86_64", "platform_python_implementation": "CPython",
    "implementation_name": "cpython", "python_version": "3.11", "python_full_version": "3.11.9",
}  # fmt: skip
"""What markers see in the image."""


def pins(text: str) -> dict[str, str]:
    """Return the versions that a file of requirements pins, by the package's name."""
    found = re.findall(r"(?m)^([A-Za-z0-9._-]+)==([^\s;\\]+)", text)
    return {canonicalize_name(name): version for name, version in found}


def locked(name: str) -> dict[str, str]:
    return pins((ROOT / "locks" / f"{name}.txt").read_text())


def asked(extra: str = "") -> list[Requirement]:
    """Return what pyproject.toml asks for, with an extra."""
    project = PROJECT["project"]
    texts = [*project["dependencies"], *(project["optional-dependencies"][extra] if extra else ())]
    return [Requirement(text) for text in texts]


def needed(requirements: Iterable[Requirement]) -> set[str]:
    """Return the packages that the requirements come to, by what the installed ones ask for."""
    found, waiting = set[tuple[str, str]](), [*requirements]
    while waiting:
        wanted = waiting.pop()
        for extra in ("", *wanted.extras):
            if (key := (canonicalize_name(wanted.name), extra)) in found:
                continue
            found.add(key)
            try:
                texts = requires(wanted.name) or []
            except PackageNotFoundError:
                pytest.fail(f"{wanted.name} is not installed: make renews the environment")
            each = map(Requirement, texts)
            waiting += [
                one for one in each
                if not one.marker or one.marker.evaluate({**IMAGE, "extra": extra})
            ]  # fmt: skip
    return {name for name, _ in found}


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_a_lock_has_all_that_is_asked_for_and_nothing_else(extra: str) -> None:
    core = locked("core")
    assert {*core, *(locked(extra) if extra else ())} == needed(asked(extra)), "make locks"


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_the_versions_are_those_that_the_tests_run_with(extra: str) -> None:
    tested, have = pins((ROOT / "constraints.txt").read_text()), locked(extra or "core")
    assert {name: tested.get(name) for name in have} == have, "make locks"
    for requirement in asked(extra):
        name = canonicalize_name(requirement.name)
        version = {**locked("core"), **have}[name]
        assert requirement.specifier.contains(version), f"{requirement}, locked is {version}"


def test_what_builds_m2s_is_locked_too() -> None:
    have = locked("build")
    for text in PROJECT["build-system"]["requires"]:
        requirement = Requirement(text)
        assert requirement.specifier.contains(have[canonicalize_name(requirement.name)])


@pytest.mark.parametrize("lock", ["build", "core", *EXTRAS])
def test_every_package_has_hashes(lock: str) -> None:
    entries = re.split(r"(?m)^(?=[a-z0-9])", (ROOT / "locks" / f"{lock}.txt").read_text())
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry) for entry in entries if entry)


def test_the_image_installs_nothing_without() -> None:
    steps = re.sub(r"\\\n\s*", " ", (ROOT / "Dockerfile").read_text())
    installs = re.findall(r"\bpip\b[^&\n]*?\b(?:install|wheel) ([^&\n]*)", steps)
    assert len(installs) == 4
    for options in installs:
        assert "--require-hashes" in options or "--no-deps" in options
