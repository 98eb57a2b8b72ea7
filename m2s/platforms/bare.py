"""A version that has no description, and all that the registry tells a platform of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from m2s.domain.versions import MlModel, ModelVersion, Unchecked


@dataclass(frozen=True, slots=True)
class Bare:
    """What a platform's own server is made of.

    Attributes:
        version: with its tags.
        uri: where the model lies, as :meth:`m2s.platforms.platform.Platform.readable` has it.
        tags: of the registered model.
        mlmodel: what the MLmodel file says, where the platform asks for it; None for no such file.
    """

    version: ModelVersion
    uri: str
    tags: Mapping[str, str] = field(default_factory=dict)
    mlmodel: MlModel | Unchecked | None = None
