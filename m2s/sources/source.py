"""The Protocols of what m2s reads: a registry of models, and a folder of templates.

An implementation must give a complete answer or raise; it never answers with a part. To add a
registry, write ``sources/NAME/`` with a class that has the members of ``Registry``, and choose it
by its URI's scheme in ``cli/connect.py``.
"""

from collections.abc import Mapping
from typing import Protocol

from m2s.domain.asking import Example
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Templates
from m2s.domain.versions import (
    Census,
    Description,
    MlModel,
    Model,
    ModelVersion,
    Offers,
    Selector,
    Served,
    Unchecked,
    Unreadable,
    Whereabouts,
)


class Registry(Protocol):
    """A Model Registry, read only.

    Every method raises :class:`~m2s.base.errors.RegistryError` when the answer would not be
    complete.
    """

    @property
    def identity(self) -> str:
        """The tracking URI without any password in it, and the workspace if one is asked for."""

    def select(self, selector: Selector) -> tuple[ModelVersion, ...]:
        """Return every version that the selector names, of every page, by model and version."""

    def model_tags(self) -> Mapping[str, Mapping[str, str]]:
        """Return the tags of every registered model, by its name."""

    def paused(self) -> frozenset[str]:
        """Return the registered models that their tag ``m2s.io/paused`` asks to leave alone."""

    def describe(
        self, version: ModelVersion, *, read: bool = True, again: bool = False
    ) -> Description | Unreadable:
        """Return how one version wants to be deployed.

        Without ``read`` its artifacts are not looked into, and it has no file. ``again`` is a
        second look, which goes by nothing that was found before.

        :class:`~m2s.domain.versions.Unreadable` is one version's trouble (its artifact store
        refuses, its file is too large); a registry that is gone is a RegistryError.
        """

    def resolve(self, uri: str) -> str | Unreadable:
        """Return the storage URI of a ``models:/…`` or ``runs:/…`` that a person wrote.

        What a stage, an alias or ``latest`` means is asked each time; this never raises.
        """

    def mlmodel(self, folder: str) -> MlModel | Unchecked | None:
        """Return what the MLmodel file in a ``Description``'s ``uri`` says.

        None only when the folder was listed and has none; this never raises.
        """

    def example(self, version: Served) -> Example | Unchecked | None:
        """Return the example that was logged with a version, None where there is none.

        Unchecked where it cannot be read, or the version is not there any more.
        """

    def locate(self, selector: Selector, model: str, version: str | None) -> Whereabouts:
        """Look one model up by name: does the selector name it still, where is ``version`` now?

        :class:`~m2s.errors.Withheld` is raised where the registry does not give this one model.
        """

    def look(self, model: str) -> Model | Unreadable | None:
        """Look one registered model up by name, in one request; None: there is none.

        Unreadable where the registry answers and does not give this one.
        """

    def models(self) -> Mapping[str, Model]:
        """Return every registered model by its name, as it is now."""

    def census(self) -> Census:
        """Return what :meth:`select` was shown: asks nothing."""

    def offers(self) -> Offers:
        """Return which stages and aliases the registry's versions have."""


class TemplateSource(Protocol):
    """The templates folder; every method raises TemplatesError when it cannot be read."""

    def read(self) -> Templates:
        """Return what is there now: all of it, or an error."""

    def look(self, live: LiveDeployment) -> Whereabouts:
        """Look a second time, before what was made from a template is deleted."""


class Tagging(Protocol):
    """The tags ``m2s.io/live/…`` on a registry's model versions.

    Every method raises RegistryError, or its subclass TagRefused when the registry answers and
    refuses this one tag.
    """

    def read(self, key: str) -> dict[Served, Mapping[str, str]]:
        """Return each version that has the tag ``key``, with all of its ``m2s.io/live/`` tags."""

    def set(self, version: Served, key: str, value: str) -> None:
        """Set a tag. A version that does not exist is no error."""

    def delete(self, version: Served, key: str) -> None:
        """Delete a tag. A tag that does not exist is no error."""
