"""Pure: versions and their deployment descriptions become manifests, or a reason why not."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from m2s import mask, strictyaml
from m2s.model import (
    CHECKSUM,
    GROUP,
    KIND,
    MANAGED_BY,
    MODEL,
    MODEL_VERSION,
    OWNER,
    RUN_ID,
    SELECTOR,
    VERSION,
    DeployFile,
    Description,
    Key,
    Manifest,
    ModelVersion,
    Selector,
    Skipped,
    Undeployable,
    Unreadable,
    digest,
    dns_label,
    label_value,
)
from m2s.settings import Settings

API_VERSIONS = frozenset(f"{GROUP}/{version}" for version in ("v1", "v1alpha2", "v1alpha3"))
"""One schema under three names (Seldon Core 1.17's CRD); always written as v1."""

# Schemes that name a place only an MLflow client, or only one machine, can read from.
_UNSERVABLE = frozenset({"mlflow-artifacts", "models", "runs", "file", "dbfs", ""})

Desired = Manifest | Undeployable | Skipped


@dataclass(frozen=True, slots=True)
class Wanted:
    """One version to be served, chosen from all that the selector names of one model."""

    selector: Selector
    version: ModelVersion
    others: tuple[ModelVersion, ...] = ()


def choose(selector: Selector, versions: Iterable[ModelVersion]) -> tuple[Wanted, ...]:
    """Return, for each model, its highest version; the lower ones come along as ``others``."""
    by_model: dict[str, list[ModelVersion]] = defaultdict(list)
    for version in versions:
        by_model[version.model].append(version)
    chosen = []
    for _, same in sorted(by_model.items()):
        highest, *lower = sorted(same, key=lambda version: -version.version)
        chosen.append(Wanted(selector, highest, tuple(lower)))
    return tuple(chosen)


def build(
    wanted: Sequence[tuple[Wanted, Description | Unreadable]], settings: Settings, namespace: str
) -> tuple[Desired, ...]:
    """Return what each wanted version comes to, in the order given.

    Two manifests that want one name both become :class:`~m2s.model.Undeployable`.
    """
    results = [_one(want, described, settings, namespace) for want, described in wanted]
    claims: dict[Key, list[Manifest]] = defaultdict(list)
    for result in results:
        if isinstance(result, Manifest):
            claims[result.key].append(result)
    return tuple(
        _contested(result, claims[result.key]) if isinstance(result, Manifest) else result
        for result in results
    )


def default_name(model: str, selector: Selector) -> str:
    """Return ``{model}-{stage}`` as a DNS-1123 label; the stage's case is no loss."""
    tail = selector.name.lower() if selector.kind == "stage" else selector.name
    return dns_label(f"{model}-{tail}")


def map_uri(uri: str, uri_map: Iterable[tuple[str, str]]) -> str:
    """Replace the longest matching prefix of ``uri``; an unmatched one comes back unchanged."""
    matching = [(prefix, to) for prefix, to in uri_map if uri.startswith(prefix)]
    if not matching:
        return uri
    prefix, to = max(matching, key=lambda pair: len(pair[0]))
    rest = uri[len(prefix) :]
    # "mlflow-artifacts:/=s3://b/m" and "…/m/" both mean a folder: exactly one slash between.
    if prefix.endswith("/") or rest.startswith("/"):
        return f"{to.rstrip('/')}/{rest.lstrip('/')}"
    return to + rest


class _Problem(Exception):
    """Why a description yields no manifest; turned into Undeployable in one place."""


def _one(
    want: Wanted, described: Description | Unreadable, settings: Settings, namespace: str
) -> Desired:
    version, owner = want.version, settings.owner_of(want.selector)
    key = Key(namespace, default_name(version.model, want.selector))
    try:
        _check_choice(want, settings)
        if isinstance(described, Unreadable):
            raise _Problem(described.reason)
        if described.file is None:
            reason = "no deploy.yaml in the run or in the model's folder"
            return Skipped(owner, want.selector, version, reason)
        given, notes = _parse(described.file)
        uri = _servable(described.uri, settings.uri_map)
    except _Problem as problem:
        return Undeployable(key, owner, want.selector, version, str(problem))
    if want.others:
        listed = ", ".join(f"v{other.version}" for other in want.others)
        notes = (*notes, f"{listed} also in {want.selector.name}: the highest version is served")
    return _manifest(want, given, uri, owner, key, notes)


def _check_choice(want: Wanted, settings: Settings) -> None:
    version = want.version
    if want.others and settings.on_conflict == "block":
        listed = ", ".join(f"v{other.version}" for other in (version, *want.others))
        raise _Problem(
            f"{listed} are all in {want.selector.name}; leave one, or use --on-conflict highest"
        )
    if version.status != "READY":
        why = f": {version.status_message}" if version.status_message else ""
        raise _Problem(f"v{version.version} is {version.status} in the registry, not READY{why}")


def _servable(uri: str, uri_map: Iterable[tuple[str, str]]) -> str:
    mapped = map_uri(uri, uri_map)
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*):", mapped)
    name = scheme[1].lower() if scheme else ""
    if name in _UNSERVABLE:
        start = f"{name}:/" if name else "/"
        raise _Problem(
            f"no model server can read {mask.text(mapped)}; map it to the store behind it with "
            f"--model-uri-map {start}=s3://BUCKET/PATH"
        )
    if mask.has_password(mapped):
        raise _Problem(
            f"the model URI {mask.text(mapped)} carries a secret; name a Secret with "
            "envSecretRefName in deploy.yaml instead"
        )
    return mapped


def _parse(file: DeployFile) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the one SeldonDeployment of a ``deploy.yaml``, and notes on what is not taken over."""
    try:
        documents = strictyaml.load_all(file.content)
    except strictyaml.YamlError as error:
        raise _Problem(f"{file.origin}:{error.line}: {error.problem}") from error
    if len(documents) != 1:
        line = documents[1].line() if documents else 1
        found = f"{len(documents)} documents" if documents else "no document"
        raise _Problem(f"{file.origin}:{line}: {found}; it must be one SeldonDeployment")
    problem = _fault(documents[0])
    if problem:
        path, text = problem
        raise _Problem(f"{file.origin}:{documents[0].line(*path)}: {text}")
    return documents[0].value, ()


_Fault = tuple[tuple[str | int, ...], str]


def _fault(document: strictyaml.Document) -> _Fault | None:
    """Return the path and the words of the first thing wrong; the API server judges the rest."""
    body = document.value
    if not isinstance(body, dict):
        return (), f"a {_kind(body)}; it must be one SeldonDeployment"
    if body.get("kind") != KIND:
        return ("kind",), f"kind is {body.get('kind')!r}; it must be {KIND}"
    if body.get("apiVersion") not in API_VERSIONS:
        wants = f"{GROUP}/{VERSION}"
        return ("apiVersion",), f"apiVersion is {body.get('apiVersion')!r}; it must be {wants}"
    return _fault_in_metadata(body) or _fault_in_spec(body)


def _fault_in_metadata(body: Mapping[str, Any]) -> _Fault | None:
    metadata = body.get("metadata", {})
    if not isinstance(metadata, dict | None):
        return ("metadata",), f"metadata is a {_kind(metadata)}; it must be a mapping"
    for field, kind in (("name", str), ("labels", dict), ("annotations", dict)):
        value = (metadata or {}).get(field)
        if value is not None and not isinstance(value, kind):
            wants = "a text" if kind is str else "a mapping"
            return ("metadata", field), f"metadata.{field} is a {_kind(value)}; it must be {wants}"
    return _fault_in_texts(metadata or {})


def _fault_in_texts(metadata: Mapping[str, Any]) -> _Fault | None:
    for field in ("labels", "annotations"):
        for key, value in (metadata.get(field) or {}).items():
            if not isinstance(value, str):
                text = f"metadata.{field}[{key}] is a {_kind(value)}; it must be a text: quote it"
                return ("metadata", field, key), text
    return None


def _fault_in_spec(body: Mapping[str, Any]) -> _Fault | None:
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return ("spec",), "spec is missing or no mapping; it must have predictors"
    predictors = spec.get("predictors")
    if not isinstance(predictors, list) or not predictors:
        return ("spec", "predictors"), "spec.predictors is missing or empty; it needs one at least"
    for index, predictor in enumerate(predictors):
        where = ("spec", "predictors", index)
        if not isinstance(predictor, dict):
            return where, f"spec.predictors[{index}] is a {_kind(predictor)}; it must be a mapping"
        if not isinstance(predictor.get("graph"), dict):
            path = f"spec.predictors[{index}].graph"
            return (*where, "graph"), f"{path} is missing or no mapping"
    return None


def _kind(value: Any) -> str:
    names = {list: "list", dict: "mapping", str: "text", bool: "boolean", int: "number"}
    return names.get(type(value), "number" if isinstance(value, float) else "null")


def _manifest(
    want: Wanted,
    given: Mapping[str, Any],
    uri: str,
    owner: str,
    default: Key,
    notes: tuple[str, ...],
) -> Manifest:
    metadata = given.get("metadata") or {}
    key = default
    if metadata.get("name"):
        key = Key(default.namespace, dns_label(metadata["name"]))
        if key.name != metadata["name"]:
            notes = (*notes, f"metadata.name {metadata['name']!r} is written {key.name}")
    if metadata.get("namespace") not in (None, key.namespace):
        notes = (*notes, f"metadata.namespace {metadata['namespace']!r} gives way to -n")
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {
            "name": key.name,
            "namespace": key.namespace,
            "labels": {**(metadata.get("labels") or {}), **_labels(want, owner)},
            "annotations": _annotations(want, metadata.get("annotations") or {}),
        },
        **{part: value for part, value in given.items() if part not in _NOT_OURS},
    }
    body["spec"] = _with_uri(given["spec"], uri)
    # Tells "the description changed" from "the object drifted" without keeping the old text.
    body["metadata"]["annotations"][CHECKSUM] = digest(body)
    return Manifest(key, owner, want.selector, (want.version,), body, uri, notes)


_NOT_OURS = frozenset({"apiVersion", "kind", "metadata", "status"})
# Left behind by `kubectl get -o yaml`: true of another object, at another time.
_STALE_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})


def _labels(want: Wanted, owner: str) -> dict[str, str]:
    return {
        MANAGED_BY: "m2s",
        OWNER: owner,
        MODEL: label_value(want.version.model),
        MODEL_VERSION: str(want.version.version),
    }


def _annotations(want: Wanted, given: Mapping[str, Any]) -> dict[str, Any]:
    ours = {
        MODEL: want.version.model,
        MODEL_VERSION: str(want.version.version),
        SELECTOR: str(want.selector),
    }
    if want.version.run_id:
        ours[RUN_ID] = want.version.run_id
    kept = {name: value for name, value in given.items() if name not in _STALE_ANNOTATIONS}
    return {**kept, **ours}


def _with_uri(spec: Mapping[str, Any], uri: str) -> dict[str, Any]:
    """Overwrite the first predictor's root ``modelUri``, as the first seed does."""
    first, *others = spec["predictors"]
    graph = {**first["graph"], "modelUri": uri}
    return {**spec, "predictors": [{**first, "graph": graph}, *others]}


def _contested(manifest: Manifest, claims: Sequence[Manifest]) -> Manifest | Undeployable:
    rivals = [other for other in claims if other is not manifest]
    if not rivals:
        return manifest
    names = " and ".join(f"{other.models[0]} ({other.selector})" for other in rivals)
    reason = f"{names} wants the same name; give one another metadata.name in its deploy.yaml"
    version = manifest.models[0]
    return Undeployable(manifest.key, manifest.owner, manifest.selector, version, reason)
