"""``m2s demo``: the main job, shown on a registry and a "cluster" that need no server."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import typer

from m2s.base.errors import M2sError, UsageError

_CONFIG = """\
stage: Staging
tracking-uri: sqlite:///mlflow.db
target: dir:cluster
model-uri-map:
  # Where the models lie, as the model servers in the cluster can read it.
  {artifacts}: s3://models
"""


def run(folder: str | None) -> int:
    """Play the story in ``folder``, or in a temporary one that is removed afterwards.

    Raises:
        UsageError: the folder has something in it already.
    """
    with contextlib.ExitStack() as stack:
        if folder is None:
            temporary = tempfile.TemporaryDirectory(prefix="m2s-demo-")
            path = Path(stack.enter_context(temporary))
        else:
            path = Path(folder)
            if path.exists() and (not path.is_dir() or any(path.iterdir())):
                raise UsageError(f"--dir {folder}: wants a new or an empty folder")
            path.mkdir(parents=True, exist_ok=True)
        stack.enter_context(contextlib.chdir(path))
        _play()
    return 0


def _play() -> None:
    from m2s.sources.mlflow import sample

    registry, artifacts = "sqlite:///mlflow.db", Path("artifacts")
    cluster = Path("cluster/default")
    Path("m2s.yaml").write_text(_CONFIG.format(artifacts=artifacts.absolute().as_uri()))
    _say("Models are logged with a deploy.yaml; iris v1 and wine quality v1 go to Staging.")
    sample.create_sample(registry, artifacts)
    _show(Path("m2s.yaml"))
    _say("What would m2s do about it?")
    _m2s("plan")
    _say("Do it. The cluster is a folder here, such as Argo CD or Flux would apply.")
    _m2s("apply", "--yes")
    _say("m2s.io/history and m2s.io/revisions record what it has served, for `m2s rollback`.")
    _show(cluster / "iris.yaml")
    _say("The next plan has nothing to do.")
    _m2s("plan", "--detailed-exitcode")
    _say("Promotion: iris v2 goes to Staging, with a newer server image and two replicas.")
    second = sample.log_version(
        registry, "iris", sample.deploy_yaml("iris", image="1.19.0", replicas=2)
    )
    sample.promote(registry, "iris", second)
    _m2s("plan")
    _m2s("apply", "--yes")
    _say("Somebody edits the deployment by hand: the next apply takes it back.")
    file = cluster / "iris.yaml"
    typer.echo(f"$ sed -i 's/replicas: 2/replicas: 9/' {file}")
    file.write_text(file.read_text().replace("replicas: 2", "replicas: 9"))
    _m2s("apply", "--yes")
    _say("wine quality v1 is archived: its deployment goes, and only when asked with prune.")
    sample.archive(registry, "wine quality", 1)
    _m2s("plan")
    _m2s("prune", "--yes")
    _say("All is in sync again.")
    _m2s("plan", "--detailed-exitcode")


def _say(text: str) -> None:
    typer.echo(f"\n# {text}")


def _show(file: Path) -> None:
    typer.echo(f"$ cat {file}\n{file.read_text()}", nl=False)


def _m2s(*arguments: str) -> None:
    """Run one command as a user would, in this process; the story has no place for a failure."""
    from m2s.cli import main

    typer.echo(f"$ m2s {' '.join(arguments)}")
    sys.stdout.flush()
    code = main(arguments)
    if code:
        raise M2sError(f"the demo's `m2s {arguments[0]}` ended with exit code {code}")
