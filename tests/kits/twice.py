"""A small model, saved as a person does, by MLflow in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_CODE = """\
import mlflow

class Twice(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return model_input * 2

mlflow.models.set_model(Twice())
"""


def save(model: Path, requirement: str) -> None:
    """Save a model that doubles its input; ``requirement`` is all that its environment names."""
    code = model.with_name("twice.py")
    code.write_text(_CODE)
    save = f"mlflow.pyfunc.save_model({str(model)!r}, python_model={str(code)!r},"
    save += f" pip_requirements=[{requirement!r}])"
    argv = [sys.executable, "-W", "ignore", "-c", f"import mlflow; {save}"]
    subprocess.run(argv, check=True, capture_output=True, timeout=120)
