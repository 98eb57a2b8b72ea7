"""One Bento for every model that MLflow logged: it loads what MODEL_URI names."""

from __future__ import annotations

import os
from typing import Any

import bentoml
import mlflow.pyfunc
import numpy as np
import pandas as pd


@bentoml.service(traffic={"timeout": 60})
class Model:
    """Answers POST /predict; /readyz says so once the model is loaded."""

    def __init__(self) -> None:
        self.model = mlflow.pyfunc.load_model(os.environ.get("MODEL_URI", "/mnt/models"))

    @bentoml.api
    def predict(self, rows: list[dict[str, Any]]) -> list[Any]:
        """Return a prediction for each row: {"rows": [{"sepal_length": 5.1}]}."""
        found = self.model.predict(pd.DataFrame(rows))
        if isinstance(found, pd.DataFrame):
            return list(found.to_dict(orient="records"))
        return list(np.asarray(found).tolist())
