"""Models logged in an MLflow, with an example and what they predict for it by themselves.

MLflow keeps much of what it is told for its whole process: so this logs them in one of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PROJECT = Path(__file__).resolve().parents[2]
_SECONDS = 240
_REQUIRED = ("mlflow", "cloudpickle", "scikit-learn", "pandas")


@dataclass(frozen=True, kw_only=True)
class Logged:
    """A version: where it is, its example as a scoring server takes it, its local prediction."""

    name: str
    version: int
    tracking_uri: str
    example: dict[str, Any]
    predicted: list[float]

    @property
    def uri(self) -> str:
        """``models:/NAME/VERSION``."""
        return f"models:/{self.name}/{self.version}"


def log_models(
    tracking_uri: str, name: str, slopes: Sequence[float], *, requires: str = "", deploy: str = ""
) -> list[Logged]:
    """Log a version of a linear model for each slope: the greater it is, the greater the answer.

    ``requires`` is a requirement that each has beside its own, ``deploy`` its deploy.yaml.
    """
    environment = {**os.environ, "MLFLOW_TRACKING_URI": tracking_uri}
    done = subprocess.run(
        [sys.executable, "-m", "tests.pods.models", name, requires, deploy, *map(str, slopes)],
        cwd=_PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [Logged(**each) for each in json.loads(done.stdout.splitlines()[-1])]


def _log(name: str, requires: str, deploy: str, slope: float) -> Logged:
    mlflow: Any = importlib.import_module("mlflow")
    example: Any = importlib.import_module("pandas").DataFrame({"x": [1.0, 2.0, 3.0]})
    linear: Any = importlib.import_module("sklearn.linear_model").LinearRegression()
    mlflow.start_run()
    info = mlflow.sklearn.log_model(
        linear.fit(example, slope * example["x"]),
        name="model",
        registered_model_name=name,
        input_example=example,
        serialization_format="cloudpickle",
        # MLflow would find these out in a process of its own, for seconds.
        pip_requirements=[*(f"{each}=={version(each)}" for each in _REQUIRED), *requires.split()],
    )
    if deploy:
        mlflow.log_text(deploy, "deploy.yaml")
    mlflow.end_run()
    number = int(info.registered_model_version)
    loaded = mlflow.pyfunc.load_model(f"models:/{name}/{number}")
    return Logged(
        name=name,
        version=number,
        tracking_uri=mlflow.get_tracking_uri(),
        example={"dataframe_split": json.loads(example.to_json(orient="split", index=False))},
        predicted=[float(each) for each in loaded.predict(example)],
    )


if __name__ == "__main__":
    name, requires, deploy, *slopes = sys.argv[1:]
    found = [asdict(_log(name, requires, deploy, float(slope))) for slope in slopes]
    sys.stdout.write(f"\n{json.dumps(found)}\n")
