"""Which places of a deployment get the version's URI, and what becomes of all others; pure.

- The first predictor's root gets it where it loads a model; where it does not, the one node does
  that loads one; where none does, the root has it all the same, as a note of what is served.
- So does every node, of every predictor, that has a blank ``modelUri`` and can load a model. A
  blank one anywhere else is a mistake; one that is not there is left so.
- Whatever else is written in a place is read as if the registry said it.
- What only a client of MLflow can have is brought by the image of ``--fetch-image``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from m2s.objects.body import Body, replaced
from m2s.objects.layers import dotted
from m2s.platforms.common.locating import is_fetched
from m2s.platforms.common.pods import Path
from m2s.platforms.common.reader import Reader
from m2s.platforms.problem import Problem
from m2s.platforms.seldon.units import Unit, is_prepackaged, units, with_uris


def placed(body: Body, uri: str, reader: Reader) -> tuple[Any, tuple[Path, ...]]:
    """Return ``body`` with ``uri`` in the version's places, and where these are.

    Raises:
        Problem: naming a place where no URI can be, or several of which one must be chosen.
    """
    every = tuple(units(body))
    own = _own(every, body)
    uris = {unit.path: uri for unit in own}
    placed = with_uris(body, {**_others(every, uris, body, reader), **uris})
    fetched = reader.settings.fetch_image if is_fetched(uri) else None
    by = [(*unit.path, "storageInitializerImage") for unit in own if not unit.own_initializer]
    placed = replaced(placed, dict.fromkeys(by, fetched)) if fetched else placed
    return placed, tuple((*path, "modelUri") for path in uris)


def read(body: Body, uris: Sequence[str], reader: Reader) -> Any:
    """Return a template's ``body`` with its locations as a model server reads them.

    A blank place gets the URI of the one version that the template names.

    Raises:
        Problem: as :func:`placed`; and several versions could be meant.
    """
    every = tuple(units(body))
    blank = [unit for unit in every if unit.is_blank and unit.can_load]
    if blank and len(uris) != 1:
        where = dotted(body, (*blank[0].path, "modelUri"))
        raise Problem(f'{where} is blank: name a model there, as in {{{{ model("iris").uri }}}}')
    own = {unit.path: uris[0] for unit in blank}
    return with_uris(body, {**_others(every, own, body, reader), **own})


def _own(every: Sequence[Unit], body: Body) -> list[Unit]:
    """Return the version's places."""
    blank = [unit for unit in every if unit.is_blank and unit.can_load]
    first = [unit for unit in every if unit.path[2] == 0 and not unit.is_explainer]
    main = _main(first)
    if len(main) > 1 and not blank:
        where = " and ".join(dotted(body, (*unit.path, "modelUri")) for unit in main)
        raise Problem(f'which of {where} is the version\'s? Make that one blank (modelUri: "")')
    chosen = main if len(main) == 1 else []
    return list({unit.path: unit for unit in (*chosen, *blank)}.values())


def _main(nodes: Sequence[Unit]) -> list[Unit]:
    """Return which of the first predictor's nodes may load the version, where that is not said."""
    root, *others = nodes
    if _loads(root) or root.own_initializer:
        return [root]
    loading = [unit for unit in others if _loads(unit)]
    return [] if any(unit.is_blank for unit in loading) else loading or [root]


def _loads(unit: Unit) -> bool:
    return is_prepackaged(unit.implementation) or (unit.stated and unit.can_load)


def _others(
    every: Iterable[Unit], own: Mapping[Path, str], body: Body, reader: Reader
) -> dict[Path, str]:
    others = [unit for unit in every if unit.stated and unit.path not in own]
    return {unit.path: _read(unit, body, reader) for unit in others}


def _read(unit: Unit, body: Body, reader: Reader) -> str:
    where = dotted(body, (*unit.path, "modelUri"))
    if unit.is_blank:
        raise Problem(f"{where} is blank, and {_why_blank(unit)}: {_REMEDY}")
    try:
        return reader.read(unit.uri, opaque=unit.own_initializer)
    except Problem as problem:
        raise Problem(f"{where}: {problem}") from problem


_REMEDY = "write where its model lies, or leave the field out"


def _why_blank(unit: Unit) -> str:
    if unit.is_explainer:
        return "an explainer does not load the version's model"
    if unit.implementation:
        return f"{unit.implementation} loads no model"
    return f"{unit.label} has neither an implementation nor a container of its name"
