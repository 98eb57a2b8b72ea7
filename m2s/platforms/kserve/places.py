"""Which places of an InferenceService get the version's URI, and what becomes of others; pure.

- The stable predictor's place gets it; of several, those that are blank do.
- So does every other blank place but an explainer's, which has a model of its own.
- A container without ``STORAGE_URI`` has its model inside: there is no place.
- Whatever else is written in a place is read as if the registry said it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from m2s.objects.body import Body, replaced
from m2s.objects.layers import dotted
from m2s.platforms.common.pods import Path
from m2s.platforms.common.reader import Reader
from m2s.platforms.kserve.units import Place, places
from m2s.platforms.problem import Problem


def placed(body: Body, uri: str, reader: Reader) -> tuple[Any, tuple[Path, ...]]:
    """Return ``body`` with ``uri`` in the version's places, and where these are.

    Raises:
        Problem: a place is blank that cannot be the version's, or one of several must be chosen.
    """
    every = tuple(places(body))
    own = {place.path: uri for place in _own(every, body)}
    return replaced(body, {**_others(every, own, body, reader), **own}), tuple(own)


def read(body: Body, uris: Sequence[str], reader: Reader) -> Any:
    """Return a template's ``body`` with its locations as KServe reads them.

    Raises:
        Problem: as :func:`placed`; and several versions could be meant.
    """
    every = tuple(places(body))
    blank = [place for place in every if place.is_blank and place.can_load]
    if blank and len(uris) != 1:
        where = dotted(body, blank[0].path)
        raise Problem(f'{where} is blank: name a model there, as in {{{{ model("iris").uri }}}}')
    own = {place.path: uris[0] for place in blank}
    return replaced(body, {**_others(every, own, body, reader), **own})


def _own(every: Sequence[Place], body: Body) -> list[Place]:
    blank = [place for place in every if place.is_blank and place.can_load]
    main = [place for place in every if place.component.is_main]
    if len(main) > 1 and not any(place in blank for place in main):
        where = " and ".join(dotted(body, place.path) for place in main)
        raise Problem(f'which of {where} is the version\'s? Make that one blank ("")')
    chosen = main if len(main) == 1 else []
    return list({place.path: place for place in (*chosen, *blank)}.values())


def _others(
    every: Iterable[Place], own: Iterable[Path], body: Body, reader: Reader
) -> dict[Path, str]:
    taken = frozenset(own)
    others = [place for place in every if place.stated and place.path not in taken]
    return {place.path: _read(place, body, reader) for place in others}


def _read(place: Place, body: Body, reader: Reader) -> str:
    where = dotted(body, place.path)
    if place.is_blank:
        raise Problem(
            f"{where} is blank, and {place.component.label} does not load the version's model: "
            "write where its own lies, or leave the field out"
        )
    try:
        return reader.read(place.uri)
    except Problem as problem:
        raise Problem(f"{where}: {problem}") from problem
