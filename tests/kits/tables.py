"""Words for tables about the pure heart: what is wanted, what is there, and what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from m2s.base.labels import CHECKSUM, MANAGED_BY, MODEL, MODEL_VERSION, MODELS, OWNER
from m2s.domain.deployments import LiveDeployment, listing
from m2s.domain.manifests import Desired, Manifest, Undeployable
from m2s.domain.scope import Scope
from m2s.domain.versions import Key, ModelVersion, Selector, Served, Unreadable, Whereabouts
from m2s.plan import removals, writes
from m2s.plan.changes import Blocked, Change
from m2s.plan.writes import Refusal, Write
from m2s.settings import build
from m2s.settings.groups import Settings

STAGING, CHAMPION = Selector("stage", "Staging"), Selector("alias", "champion")
OWN = "stage-staging"
SCOPE = Scope(frozenset({OWN}))


def settings(**options: Any) -> Settings:
    """Return settings that select Staging, with options by their names (``_`` for ``-``)."""
    return build.build({"stage": ["Staging"], **_dashed(options)}, {})


def _dashed(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "-"): value for name, value in options.items()}


def key(name: str) -> Key:
    """Return the object of this name in the one namespace of the tables."""
    return Key("shop", name)


def versions(text: str) -> tuple[ModelVersion, ...]:
    """Read ``iris 2`` or ``iris 2, tea 1``."""
    pairs = [item.split() for item in text.split(",") if item.strip()]
    return tuple(ModelVersion(model, int(number)) for model, number in pairs)


def _body(name: str, what: str, aliases: Sequence[str], image: str, **marks: str) -> dict[str, Any]:
    models = versions(what)
    shares = [*aliases, *[""] * len(models)]
    served = [Served(one.model, str(one.version), shares[at]) for at, one in enumerate(models)]
    about = {
        MODEL: served[0].model, MODEL_VERSION: served[0].version, CHECKSUM: image,
    } if served else {}  # fmt: skip
    many = {MODELS: listing(served)} if len(served) > 1 or aliases else {}
    annotations = {**about, **many, **{f"m2s.io/{mark}": value for mark, value in marks.items()}}
    predictor = {"name": "default", "graph": {"name": "m", "modelUri": f"s3://{what}"}}
    return {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": name, "namespace": "shop", "annotations": annotations},
        "spec": {"predictors": [predictor], "image": image},
    }


def _owned(body: dict[str, Any], owner: str | None) -> dict[str, Any]:
    if owner is not None:
        body["metadata"]["labels"] = {MANAGED_BY: "m2s", OWNER: owner}
    return body


def wants(
    name: str,
    what: str,
    *,
    image: str = "server:1",
    selector: Selector = STAGING,
    template: str = "",
    aliases: tuple[str, ...] = (),
    pin: str = "",
) -> Manifest:
    """Return the manifest of ``name``, which serves ``what``: ``iris 2``."""
    marks = {"template": template} if template else {}
    body = _owned(_body(name, what, aliases, image, **marks), OWN)
    return Manifest(
        key(name), OWN, selector, versions(what), body, aliases=aliases, template=template, pin=pin
    )


def cannot(name: str, what: str, why: str, **more: Any) -> Undeployable:
    """Return that ``what`` yields no manifest."""
    first = next(iter(versions(what)), None)
    return Undeployable(key(name), OWN, STAGING, first, why, **more)


def has(
    name: str,
    what: str,
    *,
    image: str = "server:1",
    owner: str | None = OWN,
    aliases: tuple[str, ...] = (),
    template: str = "",
    metadata: Mapping[str, Any] | None = None,
    fault: str = "",
    **marks: str,
) -> LiveDeployment:
    """Return a deployment that is there and serves ``what``; ``marks`` are ``m2s.io/`` ones."""
    marks |= {"template": template} if template else {}
    body = _owned(_body(name, what, aliases, image, **marks), owner)
    body["metadata"] |= metadata or {}
    return LiveDeployment(key(name), body, fault)


def edited(manager: str, time: str = "2026-11-21T12:03:00Z") -> dict[str, Any]:
    """Return the ``metadata`` that says who wrote ``spec.image`` last."""
    fields: dict[str, Any] = {"f:spec": {"f:image": {}}}
    return {"managedFields": [{"manager": manager, "time": time, "fieldsV1": fields}]}


def gone(reason: str = "v1 is in Archived now", **more: Any) -> Whereabouts:
    """Return a second look that finds the model unwanted."""
    return Whereabouts(selected=False, reason=reason, **more)


def comes_to(
    desired: Sequence[Desired],
    live: Iterable[LiveDeployment],
    *,
    look: Whereabouts | Unreadable | None = None,
    refuses: Mapping[str, str] | None = None,
    scope: Scope = SCOPE,
    **options: Any,
) -> tuple[Change, ...]:
    """Return the changes of a plan, as the engine asks for them, without a server.

    Args:
        desired: what the registry asks for.
        live: what the namespace has.
        look: what the second look finds of each deployment that nothing wants.
        refuses: why the cluster refuses an object, by its name; it takes every other one.
        scope: whose objects the run is about.
        options: of the settings.
    """
    chosen, there = settings(**options), {each.key: each for each in live}
    sorted_out = writes.writes(desired, there, scope, chosen, "")
    previews = {
        each.manifest.key: Refusal(refuses[each.manifest.key.name])
        if refuses and each.manifest.key.name in refuses
        else each.manifest.body
        for each in sorted_out
        if isinstance(each, Write)
    }
    written = writes.judge(sorted_out, previews, chosen.ignore)
    leaves = removals.candidates(desired, written, there.values(), scope)
    places = {each.key: look or gone() for each in leaves}
    return removals.assemble(desired, written, there.values(), places, scope)


def rows(changes: Iterable[Change]) -> list[tuple[str, str, str]]:
    """Return each change as a row of a table: symbol, name, reason."""
    return [(each.action.value, each.key.name, each.reason) for each in changes]


def held_by(change: Change) -> tuple[str, ...]:
    """Return the models that a blocked change holds."""
    return change.held if isinstance(change, Blocked) else ()
