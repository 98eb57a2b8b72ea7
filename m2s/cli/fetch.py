"""``m2s fetch``: a model into a folder, by the contract of a storage initializer."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m2s.base import mask
from m2s.base.errors import M2sError, UsageError
from m2s.cli import connect, streams
from m2s.cli.choosing import chosen_by
from m2s.output import tables
from m2s.settings.groups import Settings
from m2s.sources.mlflow import environment
from m2s.sources.mlflow.fetch import Fetch, scheme_of


def fetch(flags: Mapping[str, Any], config: str | None, uri: str, folder: str) -> int:
    """Put the model at ``uri`` into ``folder``, and say how much it was.

    Raises:
        UsageError: one of them is none.
        M2sError: the model cannot be had, or the folder has something else.
    """
    begun, chosen = time.monotonic(), chosen_by(flags, config)
    wanted = _located(chosen, uri.strip())
    place = Path(os.path.realpath(folder)) if folder.strip() and "\0" not in folder else None
    if place is None or (place.exists() and not place.is_dir()):
        raise UsageError(f"DIR {folder!r}: it is no folder")
    try:
        done = wanted.into(place, tables.arriving)
    except OSError as error:
        raise M2sError(f"{folder} cannot be written: {streams.trouble(error)}") from error
    begin = "Was there already" if done.before else "Fetched"
    files = "1 file" if done.files == 1 else f"{done.files} files"
    took = f"{files}, {done.size} bytes, {time.monotonic() - begun:.1f} s"
    streams.complain(f"{begin}: {took}: {wanted.scrub(uri)} in {mask.text(folder)}")
    return 0


def _located(chosen: Settings, uri: str) -> Fetch:
    """Return what to fetch; a registry is needed only for what it alone can resolve."""
    scheme = scheme_of(uri)
    if scheme in ("models", "runs", "mlflow-artifacts"):
        return connect.registry(chosen).fetching(uri)
    environment.prepare()
    environment.set_timeout(chosen.request_timeout)
    tracking = chosen.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "")
    return Fetch(uri if scheme else Path(uri).absolute().as_uri(), tracking, mask.text)
