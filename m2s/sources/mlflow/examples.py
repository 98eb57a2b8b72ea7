"""Reading the example that was logged with a model, as MLflow's scoring server takes it.

MLflow 2.16 and later write ``serving_input_example.json`` beside MLmodel, 2.15
``serving_input_payload.json``, both named by MLmodel's ``saved_input_example_info``. Before that
there is the example alone (mlflow, ``models/utils.py``: ``_Example``), which is wrapped here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from m2s.base import strictyaml
from m2s.domain.asking import Example
from m2s.domain.versions import Unchecked
from m2s.sources.mlflow.artifacts import Store, StoreError
from m2s.sources.mlflow.mlmodel import FILE_NAME

_NAME = re.compile(r"[\w-][\w.-]{0,99}")


def read(store: Store, folder: str) -> Example | Unchecked | None:
    """Return the example in a model's ``folder``, a storage URI; None where none was logged.

    Unchecked: it cannot be read, or nothing that m2s knows can be made of it.
    """
    try:
        model = _mlmodel(store.read(folder, FILE_NAME, f"{FILE_NAME} in {store.scrub(folder)}"))
        info = model.get("saved_input_example_info")
        if not isinstance(info, Mapping):
            return None
        name = str(info.get("serving_input_path") or info.get("artifact_path"))
        if not _NAME.fullmatch(name):
            return Unchecked("the MLmodel file names no example in the model's folder")
        content = _json(store.read(folder, name, f"{name} in {store.scrub(folder)}"), name)
    except StoreError as error:
        return Unchecked(str(error))
    payload = content if info.get("serving_input_path") else _wrapped(info, content)
    if not isinstance(payload, Mapping):
        old = "it is of an older MLflow; log the model with MLflow 2.16 or later"
        return Unchecked(f"nothing can be made of {name}: {old}")
    return Example(payload, _inputs(model))


def _wrapped(info: Mapping[str, Any], content: Any) -> Any:
    if info.get("type") == "dataframe" and info.get("pandas_orient") == "split":
        return {"dataframe_split": content}
    return content if info.get("type") == "ndarray" else None


def _mlmodel(content: bytes) -> Mapping[str, Any]:
    try:
        documents = strictyaml.load_all(content)
    except strictyaml.YamlError as error:
        raise StoreError(f"{FILE_NAME}, line {error.line}: {error.problem}") from error
    top = documents[0].value if len(documents) == 1 else None
    if not isinstance(top, Mapping):
        raise StoreError(f"{FILE_NAME} is no mapping")
    return top


def _json(content: bytes, name: str) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{name} is no JSON") from error


def _inputs(model: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    signature = model.get("signature")
    text = signature.get("inputs") if isinstance(signature, Mapping) else None
    try:
        found = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        return ()
    return (
        tuple(one for one in found if isinstance(one, Mapping)) if isinstance(found, list) else ()
    )
