"""Settings by the room that needs them: a function takes the narrowest one that will do."""

from dataclasses import dataclass
from pathlib import Path

from m2s.base.names import dns_label
from m2s.domain.budget import MaxDelete
from m2s.domain.policy import Policy
from m2s.domain.versions import Selector
from m2s.settings.defaults import Fragment
from m2s.settings.notify import Hook
from m2s.settings.split import Split


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is served, and whose it is."""

    environment: tuple[str, ...]
    all_environments: bool
    selectors: tuple[Selector, ...]
    split: Split | None
    owner: str | None
    models: tuple[str, ...]
    on_conflict: str

    def owner_of(self, selector: Selector) -> str:
        """The owner label of what ``selector`` deploys."""
        return self.owner or selector.owner

    @property
    def owners(self) -> frozenset[str]:
        """The owners whose objects this run may touch."""
        if self.owner:
            return frozenset({self.owner})
        return frozenset(self.owner_of(selector) for selector in self.selectors)


@dataclass(frozen=True, kw_only=True)
class Locations:
    """How a model's location becomes one that a model server reads."""

    uri_map: tuple[tuple[str, str], ...]
    artifact_root: str | None
    fetch_image: str | None


@dataclass(frozen=True, kw_only=True)
class OwnServer:
    """How a version is served that nobody describes."""

    default_image: str | None
    image_tag: str | None
    image_registry: str | None
    init_image: str
    fetch_image: str | None
    server: str | None
    image_pull_secrets: tuple[str, ...]
    env_secret: str | None
    service_account: str | None
    protocol: str | None


@dataclass(frozen=True, kw_only=True)
class Ruled:
    """What a description may ask for."""

    description_policy: Policy


@dataclass(frozen=True, kw_only=True)
class Describing(Selection, Locations, OwnServer, Ruled):
    """All that makes a manifest of a version."""

    deploy_file: str | None
    defaults: Fragment | None
    platform: str | None
    platforms: tuple[str, ...]

    @property
    def describing(self) -> str:
        """What a deploy.yaml is to a version: ``required``, ``optional`` or ``ignored``.

        Naming an image, a server or a platform for models without one asks for them to be served.
        """
        named = self.default_image or self.image_tag or self.server or self.platform
        return self.deploy_file or ("optional" if named else "required")


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Where both sides are, and how they are asked."""

    templates: str | None
    base_template: str | None
    namespace: str | None
    tracking_uri: str | None
    workspace: str | None
    kubeconfig: str | None
    context: str | None
    target: str
    request_timeout: float
    concurrency: int
    qps: float
    burst: int
    cache: bool
    debug: bool
    verbose: bool

    @property
    def folder(self) -> Path | None:
        """The folder of a ``dir:PATH`` target."""
        return Path(self.target[4:]) if self.target.startswith("dir:") else None


@dataclass(frozen=True, kw_only=True)
class Safety(Ruled):
    """What may be written and deleted, and what is shown of it.

    ``accept_registry`` is said on the command line alone, since it is meant once.
    """

    adopt: bool
    force_conflicts: bool
    show_env: tuple[str, ...]
    ignore: tuple[str, ...]
    preflight: bool | None
    strict: bool
    max_delete: MaxDelete
    prune: bool
    wait: bool
    timeout: float
    verify: bool
    rollback_on_failure: bool
    accept_registry: bool = False

    @property
    def follows(self) -> bool:
        """Whether what is written is followed until it serves, and is asked or taken back then."""
        return self.verify or self.rollback_on_failure


@dataclass(frozen=True, kw_only=True)
class Watching:
    """How ``watch`` goes on and on."""

    write_back: bool
    interval: float
    resync: float
    policy: str | None
    prune_after: int
    retire_after: float | None
    leader_elect: bool
    lease_name: str | None
    listen: tuple[str, int] | None
    webhook_secret_file: str | None
    notify: tuple[Hook, ...]
    log_format: str


@dataclass(frozen=True, kw_only=True)
class Settings(Describing, Connection, Safety, Watching):
    """Everything a command works by; see ``OPTIONS`` for each option's meaning."""

    @property
    def syncs(self) -> bool:
        """Whether ``watch`` deletes too: ``--policy sync``, for which ``--prune`` is short."""
        return self.policy == "sync" if self.policy else self.prune

    @property
    def lease(self) -> str:
        """The name of the Lease that replicas with the same scope contend for."""
        scope = [*sorted(self.owners), *sorted(self.models)]
        return self.lease_name or dns_label("-".join(["m2s", *scope]))

    @property
    def inspects(self) -> bool:
        """Whether preflight looks: ``--preflight``, by default against a Kubernetes cluster."""
        return self.folder is None if self.preflight is None else self.preflight
