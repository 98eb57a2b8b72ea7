"""Where a version's files are: its run's artifacts, and the folder that the model lies in."""

from __future__ import annotations

from m2s.domain.versions import ModelVersion
from m2s.sources.mlflow import client as mlflow
from m2s.sources.mlflow.artifacts import StoreError, child
from m2s.sources.mlflow.listing import version_of
from m2s.sources.mlflow.trouble import brief


def run_root(client: mlflow.MlflowClient, run_id: str | None) -> str:
    """Return the root URI of a run's artifacts, "" when there is no such run.

    MlflowException: the run could not be read, which is not the same.
    """
    run = _run(client, run_id) if run_id else None
    return str(run.info.artifact_uri) if run else ""


def model_folder(client: mlflow.MlflowClient, version: ModelVersion) -> str:
    """Return the storage URI of a version's model.

    ``models:/…`` and ``runs:/…`` are MLflow's own words, which no model server reads; every other
    source is a storage URI already. MlflowException: MLflow cannot be asked, or does not know what
    it has registered; StoreError: it has no source, or one in a run that does not exist.
    """
    uri = version.source
    if uri.startswith("models:/m-") and (folder := _logged_folder(client, uri)):
        return folder  # the same as the download URI, for one request instead of two
    if uri.startswith("models:/"):
        uri = client.get_model_version_download_uri(version.model, str(version.version))
    if not uri:
        raise StoreError(f"{version} has no source")
    if uri.startswith("models:/m-"):
        return _logged_model(client, uri.removeprefix("models:/"))[1]
    return _in_run(client, uri) if uri.startswith("runs:/") else uri


def location(client: mlflow.MlflowClient, uri: str) -> str:
    """Return the storage URI of any ``models:/…`` or ``runs:/…``.

    The forms are those of MLflow (mlflow/store/artifact/utils/models.py): ``models:/m-ID``,
    ``models:/NAME/VERSION``, ``…/STAGE``, ``…/latest`` and ``models:/NAME@ALIAS``, each with a path
    behind it. MlflowException: MLflow cannot be asked; StoreError: there is no such thing, or it is
    none of these forms.
    """
    scheme, _, rest = uri.partition(":")
    rest = rest.strip("/")
    if scheme.lower() == "runs":
        return _in_run(client, f"runs:/{rest}")
    name, *steps = rest.split("/")
    if name.startswith("m-") and (folder := _logged_folder(client, f"models:/{name}")):
        return _below(folder, steps)
    model, at, alias = name.rpartition("@")
    if not at and not steps:
        raise StoreError("it names no version: write models:/NAME/VERSION")
    version = _named(client, *((model, f"@{alias}") if at else (name, steps.pop(0))))
    return _below(model_folder(client, version), steps)


def _below(folder: str, steps: list[str]) -> str:
    return child(folder, "/".join(steps)) if steps else folder


def _named(client: mlflow.MlflowClient, model: str, which: str) -> ModelVersion:
    """Return the version of ``model`` by its number, stage or ``@alias``, or the ``latest``."""
    try:
        found = _asked(client, model, which)
    except mlflow.MlflowException as error:
        if mlflow.is_absent(error) or error.error_code == "INVALID_PARAMETER_VALUE":
            raise StoreError(f"MLflow has none such: {brief(str(error))}") from error
        raise
    if found is None:
        raise StoreError(f"{model} has no version in {which}")
    return version_of(found)


def _asked(client: mlflow.MlflowClient, model: str, which: str) -> mlflow.ModelVersion | None:
    if which.startswith("@"):
        return client.get_model_version_by_alias(model, which[1:])
    if which.isdecimal():
        return client.get_model_version(model, which)
    stages = client.get_registered_model(model).latest_versions
    if which.lower() != "latest":
        stages = [each for each in stages if each.current_stage.lower() == which.lower()]
    return max(stages, key=lambda each: int(each.version), default=None)


def _in_run(client: mlflow.MlflowClient, uri: str) -> str:
    """Resolve ``runs:/ID/NAME``: since MLflow 3 NAME lies with the models, not with the run."""
    run_id, _, path = uri.removeprefix("runs:/").strip("/").partition("/")
    run = _run(client, run_id)
    if run is None:
        raise StoreError(f"its source {uri} names a run that does not exist")
    outputs = run.outputs.model_outputs if run.outputs else []
    logged = [_logged_model(client, each.model_id) for each in outputs]
    found = [location for name, location in logged if name == path]
    return found[-1] if found else child(str(run.info.artifact_uri), path)


def _run(client: mlflow.MlflowClient, run_id: str) -> mlflow.Run | None:
    try:
        run = client.get_run(run_id)
    except mlflow.MlflowException as error:
        if mlflow.is_absent(error):
            return None
        raise
    _check("run", run_id, run.info.run_id)
    return run


def _logged_model(client: mlflow.MlflowClient, model_id: str) -> tuple[str, str]:
    """Return a logged model's name and the URI of its folder."""
    model = client.get_logged_model(model_id)
    _check("logged model", model_id, model.model_id)
    return str(model.name), str(model.artifact_location)


def _check(kind: str, asked: str, answered: str) -> None:
    # A proxy's bare `{}` decodes into an entity without a name.
    if asked != answered:
        raise StoreError(f"the answer about the {kind} {asked} is about {answered!r}")


def _logged_folder(client: mlflow.MlflowClient, uri: str) -> str:
    """Return the folder of ``models:/m-ID``, "" when that logged model is no longer there."""
    try:
        return _logged_model(client, uri.removeprefix("models:/"))[1]
    except mlflow.MlflowException as error:
        if mlflow.is_absent(error):
            return ""
        raise
