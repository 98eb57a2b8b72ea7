"""What one pass of ``m2s watch`` came to, for whoever looks on: logs, metrics, Events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from m2s.execute import Outcome
from m2s.plan import Plan

Result = Literal["success", "failed", "error", "refused"]
"""All done; some change failed or is blocked; a side could not be read; a safety check said no."""


@dataclass(frozen=True)
class PassReport:
    """One pass, finished.

    ``started`` is in UTC, ``seconds`` how long it took, ``trigger`` what set it off (start,
    interval, cluster, webhook, reload, leader: this replica just took over). ``plan`` is the one
    that was carried out, None where a side could not be read; ``message`` is one line without
    secrets, empty on success.
    """

    started: datetime
    seconds: float
    trigger: str
    result: Result
    message: str
    plan: Plan | None
    outcomes: tuple[Outcome, ...] = ()
