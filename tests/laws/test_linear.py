"""No text that a stranger writes keeps m2s busy for minutes: what reads it takes linear time.

Nothing is timed here. A child process does what takes seconds; what is quadratic would take it
minutes, and is killed.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import yaml

from tests.kits.support import process, seldon
from tests.kits.worlds import World

PATIENCE = 60
"""Seconds; twenty times what it takes on an idle machine."""

_MASKED = """
from m2s.base import mask
units = {units!r}
for unit in units:
    text = unit * ({size} // len(unit)) + "!"
    mask.text(text)
    mask.carries_secret(text)
    mask.value({{"a": [text], "name": text, "value": text, "args": [text]}})
"""
UNITS = (
    "a.", "a", "a-", "://", "a://", "http://a:", "a:b@", "&token=", "token=", "password: ", "--a ",
    "--token ", '"', "'", '\\"', "eyJ", "eyJaaaaaaaaa.", "-----BEGIN PRIVATE KEY-----", "bearer ",
    "basic   ", "wasbs://", "sk-", "ghp_", " ", "\t", "\x1b[", "\u202e", "é", "token\\\\=",
    "hooks/",
)  # fmt: skip


def ends(script: str) -> None:
    """Run a script in a process that is killed when it takes far too long."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow  # takes seconds of one core
def test_masking_takes_linear_time() -> None:
    ends(_MASKED.format(units=UNITS, size=100_000))


_PATTERNS = """
SIZE = 200_000
EXTRA = ("failed to create ", "failed to create object (", "[Errno", "(a.blob.", "&token", "a--")

import ast, importlib, pathlib, pkgutil, re, re._parser as parser
import m2s

found = set()
for module in pkgutil.walk_packages(m2s.__path__, "m2s."):
    if module.name == "m2s.__main__":
        continue
    loaded = importlib.import_module(module.name)
    for node in ast.walk(ast.parse(pathlib.Path(loaded.__file__).read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        called, method = getattr(node.func.value, "id", ""), node.func.attr
        first = node.args[0] if node.args else None
        known = getattr(loaded, called, None)
        if isinstance(known, re.Pattern):
            found.add((known.pattern, known.flags, method))
        elif called == "re" and method != "compile" and isinstance(first, ast.Constant):
            found.add((first.value, re.U, method))
assert len(found) > 40, len(found)


def literals(tree):
    # What a pattern's own words are: runs of literal characters, and a member of each set.
    run, units = "", set()
    for kind, given in tree:
        if kind is parser.LITERAL:
            run += chr(given)
            continue
        units.add(run)
        run = ""
        for part in given if isinstance(given, (list, tuple)) else [given]:
            for inner in part if isinstance(part, list) else [part]:
                if isinstance(inner, parser.SubPattern):
                    units |= literals(inner)
                elif isinstance(inner, tuple) and inner[0] is parser.LITERAL:
                    units.add(chr(inner[1]))
    return units | {run}


for pattern, flags, method in sorted(found):
    compiled = re.compile(pattern, flags)
    own = sorted(literals(parser.parse(pattern, flags)) - {""}, key=len)[-6:]
    more = {"a", "a.", "1", " ", "-a", "a-", "".join(own[-3:]), *EXTRA} - {""}
    for unit in {*own, *more}:
        long = unit * (SIZE // len(unit))
        for text in (f"{long}!\\n", f"1{long}!", f"a:{long}"):
            does = getattr(compiled, method)
            list(does(text)) if method == "finditer" else does(*[""] * (method == "sub"), text)
"""


@pytest.mark.slow
def test_every_pattern_takes_linear_time() -> None:
    ends(_PATTERNS)


@pytest.mark.slow
def test_a_comment_does_not_stop_a_plan(on_folder: World) -> None:
    hostile = "# " + "a." * 175_000 + "\n" + yaml.safe_dump(seldon())
    on_folder.models.add("iris", hostile)
    done = process("plan", *on_folder.flags, env={"XDG_CACHE_HOME": str(on_folder.objects.path)})
    assert done.code == 0, done


_JUDGED = """
from dataclasses import replace
from m2s.desired.judging import judged
from m2s.domain.policy import Policy
from m2s.objects import diff
from m2s.objects.layers import Layer, merge
from m2s.output import changes_view
from tests.laws.test_law_policy import changes, odd

SIZE = 6_000
volumes = [dict(name=f"v{n}", hostPath=dict(path="/")) for n in range(SIZE)]
env = [dict(name=f"A{n}", valueFrom=dict(secretKeyRef=dict(name="s", key="k")))
       for n in range(SIZE)]
(change,) = changes(odd(), dict(policy="privileged"))
body = dict(odd(volumes=volumes, initContainers=[dict(name="c", image="i", env=env)]))
body["metadata"] = change.manifest.body["metadata"]
merged = merge([Layer("low", {}), Layer("deploy.yaml", body, described=True)])
manifest = replace(change.manifest, body=merged.body, sources=merged.sources)
assert len(judged(manifest, Policy()).violations) == SIZE
big = replace(change, manifest=manifest, fields=diff.leaves(body, "added"))
assert len(changes_view.details(big)) > 2 * SIZE
"""


@pytest.mark.slow  # takes seconds of one core
def test_a_policy_takes_linear_time() -> None:
    ends(_JUDGED)
