"""MLflow's own scoring server as a container: which image, what it may do, and that it answers."""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest

from m2s.domain.policy import Policy
from m2s.domain.versions import MlModel, Unchecked
from m2s.platforms.common import scoring
from m2s.platforms.common.pod_security import violations
from m2s.platforms.common.pods import PodSpec
from m2s.platforms.problem import Problem
from m2s.settings.build import build
from tests.kits import twice
from tests.servers.process import Process, free_port

PYFUNC = ("python_function",)
STAGED = build({"stage": ["Staging"]}, {})


@pytest.mark.parametrize(
    ("flavors", "python", "image"),
    [
        (("python_function", "sklearn"), "3.11.7", "python:3.11-slim"),
        (PYFUNC, "3.9.18", "python:3.9-slim"),
        (("lightgbm", "python_function"), "3.12.1", "python:3.12"),
    ],
)
def test_the_image_has_the_python_that_the_model_was_logged_with(
    flavors: tuple[str, ...], python: str, image: str
) -> None:
    assert scoring.image(MlModel(flavors, "3.1.0", python)) == image


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (None, "has no MLmodel file"),
        (Unchecked("no answer within 10 s"), "cannot be read: no answer within 10 s"),
        (MlModel(problem="line 1: odd"), "cannot be read: line 1: odd"),
        (MlModel(("sklearn",), "3.1.0", "3.11.7"), "no python_function flavour"),
        (MlModel(("python_function", "spark"), "3.1.0", "3.11.7"), "spark needs Java"),
        (MlModel(PYFUNC), "names no Python 3 version"),
        (MlModel(PYFUNC, "1.0", "2.7.15"), "names no Python 3 version"),
    ],
)
def test_a_model_without_an_image_is_told_with_the_remedy(model: Any, told: str) -> None:
    with pytest.raises(Problem, match=told):
        scoring.image(model)


def pod(**options: Any) -> dict[str, Any]:
    settings = build({"stage": ["Staging"], **options}, {})
    return {
        "containers": [scoring.container("server", "python:3.11-slim", settings)],
        "securityContext": scoring.security(),
        "volumes": scoring.volumes(),
    }


def test_its_pod_is_as_the_strictest_standard_wants_it() -> None:
    assert not list(violations([PodSpec((), pod())], Policy("restricted")))


def test_its_environment_is_the_secrets() -> None:
    (container,) = pod(**{"env-secret": "mirror"})["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "mirror"}}]
    assert "envFrom" not in pod()["containers"][0]


def test_every_path_that_is_written_to_is_a_volume() -> None:
    (container,) = pod()["containers"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {volume["name"] for volume in pod()["volumes"]}
    (home,) = (one["value"] for one in container["env"] if one["name"] == "HOME")
    assert home in {mount["mountPath"] for mount in container["volumeMounts"]}


def mirror(folder: Path) -> Path:
    """Return a folder that pip installs mlflow from: a wheel that points at the tests' own."""
    folder.mkdir()
    wheel = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    entry = "[console_scripts]\nmlflow = mlflow.cli:cli\nuvicorn = uvicorn.main:main\n"
    files = {
        "tests.pth": sysconfig.get_path("purelib") + "\n" + "\n".join(sys.path[1:]) + "\n",
        "mlflow-9.dist-info/METADATA": "Metadata-Version: 2.1\nName: mlflow\nVersion: 9\n",
        "mlflow-9.dist-info/WHEEL": wheel,
        "mlflow-9.dist-info/entry_points.txt": entry,
    }
    record = "".join(f"{name},,\n" for name in [*files, "mlflow-9.dist-info/RECORD"])
    with zipfile.ZipFile(folder / "mlflow-9-py3-none-any.whl", "w") as packed:
        for name, text in {**files, "mlflow-9.dist-info/RECORD": record}.items():
            packed.writestr(name, text)
    return folder


@pytest.mark.server
@pytest.mark.slow
def test_the_command_installs_the_requirements_and_answers(tmp_path: Path) -> None:
    model, home, programs = tmp_path / "model", tmp_path / "home", tmp_path / "bin"
    twice.save(model, "mlflow==9")
    assert (model / "requirements.txt").read_text().split() == ["mlflow==9"]
    home.mkdir()
    programs.mkdir()
    (programs / "python").symlink_to(Path(sys.base_prefix, "bin", "python3"))
    (container,) = pod()["containers"]
    port = free_port()
    shell, *flags, script = container["command"]
    script = script.replace(scoring.MODEL, str(model)).replace(str(scoring.PORT), str(port))
    env = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(home),
        "USER": "m2s",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(mirror(tmp_path / "mirror")),
    }
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        path = container["startupProbe"]["httpGet"]["path"]
        try:
            with urllib.request.urlopen(f"{url}{path}", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    server = Process(
        [shutil.which(shell) or shell, *flags, script], tmp_path / "log", env=env, cwd=tmp_path
    )
    try:
        server.await_ready(answers, timeout=240)
        asked = urllib.request.Request(
            f"{url}/invocations",
            json.dumps({"inputs": [[1.0, 2.0]]}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=60) as answer:
            assert json.load(answer) == {"predictions": [[2.0, 4.0]]}
    finally:
        server.kill()
    assert (home / "venv" / "bin" / "mlflow").exists()
