"""How a deployed version is asked, with which example, and what came back; no part shows values.

An example's values, and an answer's, are the data of somebody's customers: they go over the wire
and nowhere else (law 7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Protocol = Literal["mlflow", "v2", "seldon"]
"""``/invocations``, ``/v2/models/NAME/infer`` and ``/api/v1.0/predictions``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Where a deployment answers, and in which protocol.

    Attributes:
        service: the Kubernetes Service in the deployment's namespace.
        port: its port for HTTP.
        protocol: what it speaks.
        model: the model's name in a V2 path; "" in the other protocols.
        frames: whether the server hands the model a DataFrame with the names of its columns.
    """

    service: str
    port: int
    protocol: Protocol
    model: str = ""
    frames: bool = True


@dataclass(frozen=True, slots=True)
class Example:
    """What was logged with a version to show how it is asked.

    ``payload`` is as MLflow's scoring server takes it; ``inputs`` are the inputs of the model's
    signature as the MLmodel file has them, () without a signature.
    """

    payload: Mapping[str, Any] = field(repr=False)
    inputs: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """A request to a Service; ``body`` is what is sent as JSON, None for a GET."""

    service: str
    port: int
    path: str
    body: Mapping[str, Any] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; ``status`` is 0 where nobody answered, and ``why`` says why."""

    status: int
    body: bytes = field(default=b"", repr=False)
    why: str = ""
