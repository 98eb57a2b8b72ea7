"""Where to find a cluster and how to log in: a kubeconfig, or the pod's own service account."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.client import Configuration
from kubernetes.config import ConfigException, load_kube_config
from kubernetes.config.incluster_config import InClusterConfigLoader

from m2s.base.errors import ClusterError, UsageError
from m2s.base.names import meant
from m2s.base.wording import one_line

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its own credentials."""

_MALFORMED = (ConfigException, OSError, ValueError, LookupError, TypeError, AttributeError)
_refreshing = threading.RLock()
_Documents = Mapping[Path, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Login:
    """How to reach a cluster, and the namespace that comes with these credentials, if one does.

    ``inside``: by the service account of the pod that this process is in.
    """

    configuration: Configuration
    namespace: str | None
    inside: bool = False


def log_in(kubeconfig: str | None, context: str | None) -> Login:
    """Return credentials: the kubeconfig given, else ``KUBECONFIG``, ``~/.kube/config``, the pod's.

    ``kubeconfig`` and ``KUBECONFIG`` may list several files, as kubectl has it. Raises
    :class:`~m2s.base.errors.ClusterError` naming the file, the context or the three ways, and
    :class:`~m2s.base.errors.UsageError` where none of the files is there.
    """
    files = _kubeconfigs(kubeconfig)
    documents = {file: _read(file) for file in files}
    known = _contexts(documents)
    if known or kubeconfig:
        chosen = _choose(documents, known, context)
        return Login(_from_kubeconfig(files, chosen), known[chosen].get("namespace"))
    if context is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
        return _from_pod()
    if listed := os.environ.get("KUBECONFIG"):
        raise UsageError(f"KUBECONFIG={listed}: no such file; correct it, or give --kubeconfig")
    raise ClusterError(
        "no cluster to talk to: give a kubeconfig with --kubeconfig, set KUBECONFIG (or have "
        "~/.kube/config), or run in a pod of the cluster; --target dir:PATH needs none"
    )


def contexts(kubeconfig: str | None) -> list[str]:
    """Return the names of the kubeconfig's contexts; raises as :func:`log_in`."""
    return list(_contexts({file: _read(file) for file in _kubeconfigs(kubeconfig)}))


def _kubeconfigs(kubeconfig: str | None) -> list[Path]:
    listed = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    files = [Path(name).expanduser() for name in listed.split(os.pathsep) if name]
    present = [file for file in files if file.exists()]
    if kubeconfig and not present:
        raise UsageError(f"--kubeconfig {kubeconfig}: no such file")
    return present


def _read(file: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ClusterError(f"kubeconfig {file}, line {line}: {error.problem}") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ClusterError(f"kubeconfig {file} cannot be read: {one_line(str(error))}") from error
    if not isinstance(document, dict):
        raise ClusterError(f"kubeconfig {file}: holds no kubeconfig: correct --kubeconfig")
    return document


def _contexts(documents: _Documents) -> dict[str, Mapping[str, Any]]:
    """Return all contexts by name; where files differ, the first wins, as with kubectl."""
    found: dict[str, Mapping[str, Any]] = {}
    for file, document in documents.items():
        try:
            for entry in document.get("contexts") or []:
                found.setdefault(entry["name"], entry.get("context") or {})
        except _MALFORMED as error:
            raise ClusterError(f"kubeconfig {file}: contexts is not a list of contexts") from error
    return found


def _choose(documents: _Documents, contexts: Mapping[str, Any], wanted: str | None) -> str:
    current = filter(None, (document.get("current-context") for document in documents.values()))
    chosen: str = wanted or next(current, "")
    if chosen in contexts:
        return chosen
    files = os.pathsep.join(map(str, documents))
    there = sorted(map(str, contexts))
    if not chosen:
        names = ", ".join(there) or "none"
        raise ClusterError(f"kubeconfig {files} sets no current-context: give --context ({names})")
    raise ClusterError(f"kubeconfig {files} has no context {chosen!r}; {meant(chosen, there)}")


def _from_kubeconfig(files: list[Path], context: str) -> Configuration:
    joined = os.pathsep.join(map(str, files))
    configuration = Configuration()
    try:
        with _plugin_errors(context):
            load_kube_config(joined, context, configuration)
    except _MALFORMED as error:
        raise ClusterError(
            f"kubeconfig {joined}, context {context}: {one_line(str(error))}"
        ) from error
    _trim(configuration)
    _guard_refresh(configuration, lambda: _plugin_errors(context))
    return configuration


def _trim(configuration: Configuration) -> None:
    """Take the line's end off a token that was read from a file, as kubectl does."""
    keys = configuration.api_key
    configuration.api_key = {name: value.strip() for name, value in keys.items()}


def _from_pod() -> Login:
    configuration = Configuration()
    token, certificate = SERVICE_ACCOUNT / "token", SERVICE_ACCOUNT / "ca.crt"
    with _mount_errors():
        InClusterConfigLoader(str(token), str(certificate)).load_and_set(configuration)
    _guard_refresh(configuration, _mount_errors)
    namespace = SERVICE_ACCOUNT / "namespace"
    own = namespace.read_text().strip() if namespace.is_file() else None
    return Login(configuration, own, inside=True)


@contextmanager
def _mount_errors() -> Iterator[None]:
    try:
        yield
    except (ConfigException, OSError) as error:
        raise ClusterError(
            f"the pod's service account in {SERVICE_ACCOUNT} cannot be used: "
            f"{one_line(str(error))}: mount it, or give --kubeconfig"
        ) from error


@contextmanager
def _plugin_errors(context: str) -> Iterator[None]:
    """Raise what the client only logs: that a credential plugin (``exec``) failed."""
    messages: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        messages.append(record.getMessage())
        return False

    root, silent = logging.getLogger(), logging.NullHandler()
    root.addFilter(keep)
    root.addHandler(silent)  # without any, logging.error would install one that prints
    try:
        yield
    finally:
        root.removeFilter(keep)
        root.removeHandler(silent)
    if messages:
        raise ClusterError(
            f"the credential plugin of kubeconfig context {context} failed: "
            f"{one_line(messages[0])}: log in again, or choose another --context"
        )


def _guard_refresh(
    configuration: Configuration, errors: Callable[[], AbstractContextManager[None]]
) -> None:
    """Let a renewal of credentials that fails speak up, and run it once for all threads."""
    refresh: Callable[[Configuration], None] | None = configuration.refresh_api_key_hook
    if refresh is None:
        return

    def guarded(asking: Configuration) -> None:
        with _refreshing, errors():
            refresh(asking)
            _trim(asking)
            asking.refresh_api_key_hook = guarded  # type: ignore[assignment]  # inferred as None

    configuration.refresh_api_key_hook = guarded  # type: ignore[assignment]  # the same
