"""The Tab key: values of options, names of deployments, in each shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.engine.test_status import where
from tests.kits.support import description
from tests.kits.worlds import World

SCRIPT = """
import sys
from m2s.cli import completing, main

completing._WHOLE = 90.0  # on a busy machine, too, the test waits for the answer
sys.argv = ["m2s"]
sys.exit(main())
"""
SHELLS = ("bash", "zsh", "fish")


def offered(shell: str, line: str) -> set[str]:
    """What a shell is told to offer at the end of a line."""
    words = line.split(" ")
    environ = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": line},
        "fish": {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **environ, "_M2S_COMPLETE": f"complete_{shell}"},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.stderr == ""
    found = done.stdout.replace("_arguments '*: :((", "").replace("))'", "")
    return {word.strip('"').partition("\t")[0] for word in found.split()}


@pytest.mark.parametrize("shell", SHELLS)
def test_values_are_completed_in_each_shell(on_folder: World, shell: str, tmp_path: Path) -> None:
    on_folder.models.add("iris", description("iris"), stage="Staging", alias="champion")
    on_folder.models.add("tea", description("tea"), stage="Staging", alias="challenger")
    on_folder.apply()
    uri = on_folder.models.uri
    assert offered(shell, f"m2s plan --tracking-uri {uri} --alias ch") == {"champion", "challenger"}
    target = on_folder.flags[on_folder.flags.index("--target") + 1]
    assert offered(shell, f"m2s status --target {target} ") == {"iris", "tea"}
    config = tmp_path / "kubeconfig"
    config.write_text("contexts: [{name: prod-a}, {name: prod-b}, {name: dev}]\n")
    assert offered(shell, f"m2s plan --kubeconfig {config} --context pr") == {"prod-a", "prod-b"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("m2s watch --policy ", {"sync", "upsert-only"}),
        ("m2s plan --stage St", {"Staging"}),
        ("m2s plan --tracking-uri http://127.0.0.1:9 --alias x", set[str]()),
        ("m2s status --kubeconfig /not/there x", set[str]()),
    ],
)
def test_words_are_offered_and_a_look_that_fails_offers_nothing(
    line: str, words: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert offered("bash", line) == words


def test_deployments_and_namespaces_are_asked_of_the_cluster(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("iris"))
    on_cluster.apply()
    config, name = where(on_cluster)[1], on_cluster.objects.name
    assert offered("bash", f"m2s rollback --kubeconfig {config} -n {name} i") == {"iris"}
    assert name in offered("bash", f"m2s plan --kubeconfig {config} -n test-")
