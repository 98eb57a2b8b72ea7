"""Pure: the environment variables of Neu.ro's mlflow2seldon, under their own names.

What each did is in that service's ``mlflow2seldon`` module and Makefile. It served Staging and
Production, and never looked for a file among the artifacts, which were on Neu.ro's own storage.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_JOB = re.compile(r"https?://[^/]*?--(?P<owner>[^./]+)\.jobs\.(?P<cluster>[^/]+)\.org\.neu\.ro")
"""A platform job's address has its owner and its cluster."""

Environ = Mapping[str, str]


def _host(environ: Environ) -> Any:
    host = environ["M2S_MLFLOW_HOST"]
    return host if "://" in host else f"https://{host}"


def _registry(environ: Environ) -> Any:
    """The registry of the cluster and of the user whose job MLflow is, as that service took it."""
    if _given(environ, "M2S_MLFLOW_HOST") and (job := _JOB.match(_host(environ))):
        return f"registry.{job['cluster']}.org.neu.ro/{job['owner']}"
    cluster = environ.get("M2S_SRC_NEURO_CLUSTER", "").strip()
    # A host's name has no underscore, though the documented example of a cluster's name has one.
    return f"registry.{cluster.replace('_', '-')}.org.neu.ro" if cluster else None


def _same(variable: str) -> Callable[[Environ], Any]:
    return lambda environ: environ[variable]


VARIABLES: tuple[tuple[str, str, Callable[[Environ], Any]], ...] = (
    ("M2S_MLFLOW_HOST", "tracking-uri", _host),
    ("M2S_MLFLOW_HOST", "image-registry", _registry),
    ("M2S_SRC_NEURO_CLUSTER", "image-registry", _registry),
    ("M2S_MLFLOW_STORAGE_ROOT", "artifact-root", _same("M2S_MLFLOW_STORAGE_ROOT")),
    ("M2S_MLFLOW_STORAGE_ROOT", "deploy-file", lambda _: "ignored"),
    ("M2S_MLFLOW_DEPLOY_IMG_TAG", "image-tag", _same("M2S_MLFLOW_DEPLOY_IMG_TAG")),
    ("M2S_SELDON_DEPLOYMENT_NS", "namespace", _same("M2S_SELDON_DEPLOYMENT_NS")),
    ("M2S_SELDON_NEURO_DEF_IMAGE", "default-image", _same("M2S_SELDON_NEURO_DEF_IMAGE")),
    ("M2S_NEURO_REGISTRY_SECRET", "image-pull-secret", _same("M2S_NEURO_REGISTRY_SECRET")),
)
"""(variable, the option it gives, its raw value from the whole environment)."""


def values(environ: Environ) -> Iterator[tuple[str, str, Any]]:
    """Yield (variable, option, raw value) for each variable that is given."""
    for variable, option, read in VARIABLES:
        if _given(environ, variable) and (raw := read(environ)) is not None:
            yield variable, option, raw


def _given(environ: Environ, variable: str) -> bool:
    return bool(environ.get(variable, "").strip())
