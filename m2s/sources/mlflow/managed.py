"""Registries that a cloud runs: which of them m2s reads, and what to do about the others."""

from __future__ import annotations

import os
import re
from importlib.metadata import entry_points

_REFUSED = {
    r"databricks-uc\b|uc:": "Unity Catalog",
    r"databricks\b": "Databricks' workspace registry",
    r"azureml:": "Azure Machine Learning, whose client wants an older MLflow than m2s has",
}
"""By how MLflow writes a tracking URI of theirs."""
_ELSEWHERE = "register what is to be served on an MLflow server too, and give its address"
_SAGEMAKER = re.compile(r"arn:aws[a-z-]*:sagemaker:[\w-]+:\d+:mlflow-(tracking-server|app)/.+")
_PLUGIN = "sagemaker-mlflow"


def announce(uri: str) -> None:
    """Have AWS's plugin know the server, which it takes from MLflow's variable alone."""
    if _SAGEMAKER.fullmatch(uri):
        os.environ["MLFLOW_TRACKING_URI"] = uri


def refusal(uri: str) -> str:
    """Say why m2s does not read the registry of ``uri``, or return "".

    SageMaker's is MLflow's own server, which AWS's plugin for MLflow signs the requests to.
    """
    for pattern, name in _REFUSED.items():
        if re.match(pattern, uri):
            return f"m2s does not read {name}: {_ELSEWHERE}"
    if not uri.startswith("arn:"):
        return ""
    if not _SAGEMAKER.fullmatch(uri):
        return "it is no ARN of an MLflow server on SageMaker (arn:aws:sagemaker:…)"
    plugins = entry_points(group="mlflow.model_registry_store", name="arn")
    return "" if plugins else f"MLflow on SageMaker wants AWS's plugin: pip install {_PLUGIN}"
