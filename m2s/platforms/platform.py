"""What m2s asks of a serving platform, and nothing else: to add one is to write one of these.

1. Make a package ``m2s/platforms/NAME/`` with a class that inherits :class:`Platform`.
2. Write every member that raises ``NotImplementedError`` here; override the others where the
   platform has more to say.
3. Add one row to :mod:`m2s.platforms.catalogue`.
4. Run the contract test (``tests/platforms/test_contract.py``), which takes every row.

All of it is pure: a platform reads bodies, decoded JSON, and returns values; m2s does the asking.
``docs/extending.md`` builds a whole one, step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from m2s.base.strictyaml import Document
from m2s.domain.asking import Asking
from m2s.domain.manifests import Manifest
from m2s.domain.resource import Resource
from m2s.domain.rollout import Rollout
from m2s.domain.serving import State
from m2s.domain.versions import ModelVersion
from m2s.objects import list_keys
from m2s.objects.body import Body
from m2s.objects.layers import Layer, Merged, merge
from m2s.objects.origins import Sources
from m2s.platforms.bare import Bare
from m2s.platforms.common import tags
from m2s.platforms.common.pods import Named, PodSpec
from m2s.platforms.common.reader import Reader
from m2s.platforms.findings import Facts, Needs
from m2s.platforms.problem import Problem
from m2s.settings.groups import Locations, OwnServer

Path = tuple[str | int, ...]
"""Keys and indices from an object's root."""

Fault = tuple[Path, str]
"""What is wrong with a document: where, and one line that says what."""

Pods = Callable[[Body], Sequence[Body]]
"""Returns the pods of a Deployment; none where they may not be read."""


@dataclass(frozen=True, slots=True)
class ModelUri:
    """A place where a model's URI stands.

    Attributes:
        path: leads to the field itself, from the object's root.
        uri: what stands there, "" for a blank place.
        opaque: something that only the description knows reads it; m2s does not judge it.
    """

    path: Path
    uri: str
    opaque: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One version's share of a split: its alias, its percent (None: a shadow), its own manifest."""

    alias: str
    traffic: int | None
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Split:
    """Several versions in one object: its body, where its fields come from, and what to note."""

    body: Body
    sources: Callable[[], Sources]
    notes: tuple[str, ...] = ()


class Platform:
    """A serving platform; one instance serves every call, from several threads."""

    name: str
    """What it is called on the command line and in ``m2s.yaml``."""
    resource: Resource
    """The kind of its primary object, which carries m2s's marks."""
    companions: tuple[Resource, ...] = ()
    """The kinds of what it has beside that and owns, in the order of writing."""
    list_keys: Mapping[str, list_keys.ListKey] = list_keys.KEYS
    """By which field the items of each list are told apart; others are replaced whole."""
    parts: tuple[str, ...] = ("spec",)
    """What a description may have besides metadata."""
    facts: tuple[str, ...] = ("image", "replicas")
    """Names of fields of the spec that a plan shows of a new deployment."""
    credentials: str = "envFrom"
    """The field of a description that leads to the credentials of a store."""
    adopting: str = ""
    """What else it costs when m2s takes over an object that somebody else made."""

    starter: str = ""
    """A deploy.yaml to begin with, which works (``m2s init``)."""

    # What a person describes.

    def fault(self, document: Document) -> Fault | None:
        """Return the first thing wrong with a description; the API server judges the rest."""
        raise NotImplementedError

    def default_faults(self, fragment: Mapping[str, Any]) -> Iterator[Fault]:  # noqa: ARG002
        """Yield what cannot be a default of every deployment in ``defaults`` of m2s.yaml."""
        return iter(())

    def blanked(self, body: Any) -> Any:
        """Return a description with a blank text for each model's place that has nothing in it."""
        return body

    # What becomes of it.

    def asks_mlmodel(self, bare: Bare, settings: OwnServer) -> bool:  # noqa: ARG002
        """Whether :meth:`own_layers` goes by what the version's MLmodel file says."""
        return False

    def own_layers(self, bare: Bare, settings: OwnServer) -> list[Layer]:
        """Return the deployment of a version that nobody describes, the lowest layer first.

        ``settings`` are the options for versions without a description.

        Raises:
            Problem: an option or a tag keeps it from being served.
        """
        raise NotImplementedError

    def complete(self, layers: list[Layer]) -> tuple[list[Layer], Merged]:
        """Return the layers with what the platform implies, and what they come to.

        Raises:
            Problem: they come to nothing that the platform serves.
        """
        return layers, merge(layers, self.list_keys)

    def tag_layers(self, version: ModelVersion, below: Body) -> tuple[Layer, ...]:  # noqa: ARG002
        """Return a layer for each of a version's ``m2s.io/`` tags, over ``below``.

        Raises:
            Problem: there is no such tag, or its value is none.
        """
        list(tags.read(version, {}))  # there is none to know: each is a Problem
        return ()

    def check(self, merged: Merged) -> None:
        """Raise Problem for what the platform would refuse though the API server takes it."""

    def wired(self, body: Body) -> Body:
        """Return an object with what follows from it, such as labels that select its Pods."""
        return body

    # Where the model is named.

    def readable(self, uri: str) -> str:
        """Return a storage URI in the words of what brings the model.

        Raises:
            ValueError: it does not say all that is needed, with what to type.
        """
        return uri

    def fetches(self, settings: Locations) -> bool:
        """Whether something brings models there that only MLflow's own client can have."""
        return settings.fetch_image is not None

    def reader(
        self, settings: Locations, known: Iterable[str] = (), run_id: str | None = None
    ) -> Reader:
        """Return what reads locations in the platform's words."""
        words = (self.readable, frozenset(known), run_id, self.fetches(settings))
        return Reader(settings, *words, self.credentials)

    def model_uris(self, body: Body) -> Iterator[ModelUri]:
        """Yield every place of a model's URI, the one that decides first."""
        raise NotImplementedError

    def first_uri(self, body: Body) -> str:
        """Return the first model URI that is stated, "" where none is."""
        return next((place.uri for place in self.model_uris(body) if place.uri), "")

    def with_model(self, body: Body, uri: str, reader: Reader) -> tuple[Any, tuple[Path, ...]]:
        """Return ``body`` with ``uri`` in the version's own places, and where these are.

        Raises:
            Problem: no URI can be in a place, or several are and one must be chosen.
        """
        raise NotImplementedError

    def with_models(self, body: Body, uris: Sequence[str], reader: Reader) -> Any:
        """Return a template's ``body`` with its locations as a model server reads them.

        Args:
            body: with every placeholder filled in.
            uris: of the versions that its placeholders name; a blank place gets the only one.
            reader: reads what else is written.

        Raises:
            Problem: as :meth:`with_model`.
        """
        raise NotImplementedError

    # Several versions, warnings, refusals.

    def split(self, parts: Sequence[Part]) -> Split:  # noqa: ARG002
        """Return one object that serves several versions, the main one first.

        Raises:
            Problem: the platform cannot do what is asked, in words.
        """
        raise Problem(f"--split: {self.name} does not share traffic between versions")

    def pod_specs(self, body: Body) -> Iterator[PodSpec | Named]:
        """Yield each Pod's spec, and what an object names beside it: what a policy judges."""
        raise NotImplementedError

    def refusals(self, body: Body) -> Iterator[str]:  # noqa: ARG002
        """Yield why the platform would refuse an object, naming the field."""
        return iter(())

    def warnings(self, body: Body) -> Iterator[str]:  # noqa: ARG002
        """Yield what will keep an object from serving, as far as its text alone tells."""
        return iter(())

    def needs(self, body: Body) -> Needs:  # noqa: ARG002
        """Return what preflight has to read before :meth:`checked`."""
        return Needs()

    def checked(self, manifest: Manifest, facts: Facts) -> Manifest:  # noqa: ARG002
        """Return a manifest with a warning for each thing that will keep it from serving.

        Raises:
            Problem: the cluster would take it, and not do what it says.
        """
        return manifest

    def remarks(self, facts: Facts) -> Iterator[str]:  # noqa: ARG002
        """Yield what is to be said once of the cluster, however many deployments there are."""
        return iter(())

    def over(self, body: Body, live: Body) -> Body:  # noqa: ARG002
        """Return ``body`` with what has to be said so that nothing foreign stays in ``live``.

        Server-side apply leaves alone what nobody says: it shows in no dry run.
        """
        return body

    # How it is stored.

    def stored(self, body: Body) -> tuple[Body, ...]:
        """Return the objects that a deployment is stored as: the primary one, then its companions.

        Each has its apiVersion, kind, name and namespace; what makes a companion of it,
        :func:`m2s.platforms.common.bundles.companion` adds. m2s writes the primary object first,
        has it own the others, and writes only what differs.
        """
        return (body,)

    def seen(self, primary: Body, companions: Sequence[Body]) -> Body:  # noqa: ARG002
        """Return the one body that m2s compares and shows: what :meth:`stored` took apart.

        ``companions`` are those that are there: a run that was stopped leaves some out. The
        metadata are the primary object's, apart from labels and annotations.
        """
        return primary

    # What has come of it.

    def related(self, live: Body) -> str:
        """Return the label selector of the apps/v1 Deployments that are made for an object.

        "" where none are: it is all there is.
        """
        raise NotImplementedError

    def rollout(
        self,
        live: Body,
        before: Body | None,
        deployments: Sequence[Body],
        generation: int,
        pods: Pods,
    ) -> Rollout:
        """Return how far an object has come in serving ``generation`` or a later one.

        Args:
            live: the object as it is.
            before: as it was before it was written, where that is known.
            deployments: the apps/v1 Deployments that it controls.
            generation: the one that was written.
            pods: asked about a Deployment that is not rolled out, to say why.
        """
        raise NotImplementedError

    def state(self, body: Body) -> State:
        """Return what the platform itself says of an object."""
        raise NotImplementedError

    def ask(self, live: Body) -> Asking:  # noqa: ARG002
        """Return where the main version of an object answers, and in which protocol.

        Raises:
            Problem: m2s cannot ask it, in words.
        """
        raise Problem(f"m2s knows no protocol of {self.resource.product or self.name}")
