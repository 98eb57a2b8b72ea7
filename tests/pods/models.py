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
class Wanted:
    """A version to be logged: the greater ``slope`` is, the greater its answers.

    ``kind`` is what its example is (``frame``, ``tensor``, ``text``), or ``failing``: it takes a
    frame, and answers with an error. ``requires`` is a requirement that it has beside its own,
    ``deploy`` its deploy.yaml.
    """

    name: str
    slope: float = 3.0
    kind: str = "frame"
    requires: str = ""
    deploy: str = ""


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
    """Log a version of a linear model for each slope; see :class:`Wanted`."""
    return log_each(
        tracking_uri,
        *(Wanted(name=name, slope=slope, requires=requires, deploy=deploy) for slope in slopes),
    )


def log_each(tracking_uri: str, *wanted: Wanted) -> list[Logged]:
    """Log these versions, in this order."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": tracking_uri}
    done = subprocess.run(
        [sys.executable, "-m", "tests.pods.models", json.dumps([asdict(one) for one in wanted])],
        cwd=_PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [Logged(**each) for each in json.loads(done.stdout.splitlines()[-1])]


def _log(wanted: Wanted) -> Logged:
    mlflow: Any = importlib.import_module("mlflow")
    mlflow.start_run()
    # MLflow would find the requirements out in a process of its own, for seconds.
    packages = [*(f"{each}=={version(each)}" for each in _REQUIRED), *wanted.requires.split()]
    how = {"name": "model", "registered_model_name": wanted.name, "pip_requirements": packages}
    info = _KINDS[wanted.kind](mlflow, wanted.slope, how)
    if wanted.deploy:
        mlflow.log_text(wanted.deploy, "deploy.yaml")
    mlflow.end_run()
    number = int(info.registered_model_version)
    folder = Path(mlflow.artifacts.download_artifacts(info.model_uri))
    return Logged(
        name=wanted.name,
        version=number,
        tracking_uri=mlflow.get_tracking_uri(),
        example=json.loads((folder / "serving_input_example.json").read_text()),
        predicted=[] if wanted.kind == "failing" else _predicted(mlflow, str(folder)),
    )


def _predicted(mlflow: Any, folder: str) -> list[float]:
    model = mlflow.pyfunc.load_model(folder)
    return [float(each) for each in model.predict(model.input_example)]


def _frame(mlflow: Any, slope: float, how: dict[str, Any]) -> Any:
    example: Any = importlib.import_module("pandas").DataFrame({"x": [1.0, 2.0, 3.0]})
    return _linear(mlflow, example, slope * example["x"], how)


def _tensor(mlflow: Any, slope: float, how: dict[str, Any]) -> Any:
    example: Any = importlib.import_module("numpy").array([[1.0, 2.0], [3.0, 5.0], [6.0, 8.0]])
    return _linear(mlflow, example, slope * example[:, 0] + example[:, 1], how)


def _linear(mlflow: Any, example: Any, target: Any, how: dict[str, Any]) -> Any:
    linear: Any = importlib.import_module("sklearn.linear_model").LinearRegression()
    return mlflow.sklearn.log_model(
        linear.fit(example, target),
        input_example=example,
        serialization_format="cloudpickle",
        **how,
    )


def _text(mlflow: Any, slope: float, how: dict[str, Any]) -> Any:
    class Longer(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            values = model_input.to_numpy() if hasattr(model_input, "to_numpy") else model_input
            numpy = importlib.import_module("numpy")
            flat = numpy.asarray(values, dtype=object).ravel()
            return numpy.array([slope * len(str(each)) for each in flat])  # MLServer has no lists

    return mlflow.pyfunc.log_model(
        python_model=Longer(), input_example=["short", "rather long"], **how
    )


def _failing(mlflow: Any, slope: float, how: dict[str, Any]) -> Any:
    class Failing(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
        def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:
            raise ValueError(f"no answer to {list(model_input['x'])}")

    example: Any = importlib.import_module("pandas").DataFrame({"x": [48151623.42, slope]})
    signature = mlflow.models.infer_signature(example, [1.0, 2.0])
    model = Failing()
    return mlflow.pyfunc.log_model(
        python_model=model, input_example=example, signature=signature, **how
    )


_KINDS = {"frame": _frame, "tensor": _tensor, "text": _text, "failing": _failing}


if __name__ == "__main__":
    found = [asdict(_log(Wanted(**each))) for each in json.loads(sys.argv[1])]
    sys.stdout.write(f"\n{json.dumps(found)}\n")
