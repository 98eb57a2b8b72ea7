"""The one table of options.

Each row is a flag (``--max-delete``), a variable (``M2S_MAX_DELETE``) and a key of m2s.yaml
(``max-delete``). Settings, the commands' signatures and help and saved plans come from this table;
docs/reference/options.md and the chart's schema are tested against it. To add an option, add a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from m2s.domain.budget import MaxDelete
from m2s.settings import split
from m2s.settings import values as read

GROUPS = ("Selection", "Description", "Connection", "Safety", "Watching", "Output")
"""The groups of ``--help``, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One setting.

    Attributes:
        name: of the flag and of the key.
        parse: takes the raw value of a flag, a variable or a key; its ValueError says what it
            wants.
        help: one sentence, without the default.
        group: one of ``GROUPS``.
        commands: the commands that have the flag.
        metavar: what stands for the value; None makes the flag an on/off switch.
        default: the value where nobody says one.
        shown: the default in words, "" where the help does not name one.
        many: whether it is repeated as a flag, a list in m2s.yaml, and separated by commas or line
            ends in its variable.
        binds: whether it decides a plan, so that a saved plan keeps it.
        rare: whether only ``--help-all`` shows it.
        short: the one-letter flag, "" for none.
        field: its name in :class:`m2s.settings.build.Settings`, "" where the option's own serves.
    """

    name: str
    parse: Callable[[Any], Any]
    help: str
    group: str
    commands: frozenset[str]
    metavar: str | None = None
    default: Any = None
    shown: str = ""
    many: bool = False
    binds: bool = False
    rare: bool = False
    short: str = ""
    field: str = ""

    @property
    def variable(self) -> str:
        """The environment variable: ``M2S_MAX_DELETE``."""
        return "M2S_" + self.name.upper().replace("-", "_")

    @property
    def attribute(self) -> str:
        """The field of Settings that has the value."""
        return self.field or self.name.replace("-", "_")

    @property
    def described(self) -> str:
        """The help with the default and, where it is so, "Repeatable."."""
        default = f" (default: {self.shown})" if self.shown else ""
        return f"{self.help}{default}." + (" Repeatable." if self.many else "")


def _on(commands: str) -> frozenset[str]:
    return frozenset(commands.split())


_SYNC = _on("plan apply prune watch")
_APPLY = _on("apply rollback")
_WRITE = _on("apply prune watch")
_WATCH = _on("watch")
_FOLLOW = _on("apply watch")
_WATCH_TOO = _on("check watch")
_ASK = _on("verify retry")
_CLUSTER = _SYNC | _ASK | _on("rollback status pause resume history")
_EVERY = _CLUSTER | _on("check webhook")
_REACH = _CLUSTER | _on("check")
_MANY = _on("plan apply prune status check watch")
_TELLING = _EVERY | _on("demo fetch init")

_ROWS: tuple[Option, ...] = (
    Option(
        name="environment", parse=read.texts, default=(), many=True, binds=True, metavar="NAME",
        short="-e", help="Work by this entry of environments in m2s.yaml", group="Selection",
        commands=_EVERY,
    ),
    Option(
        name="all-environments", parse=read.flag, default=False, short="-A",
        help="Work by each entry of environments in m2s.yaml", group="Selection",
        commands=_MANY,
    ),
    Option(
        name="stage", parse=read.stages, default=(), many=True, binds=True, metavar="STAGE",
        help="Serve the versions in this MLflow stage", group="Selection", commands=_EVERY,
    ),
    Option(
        name="alias", parse=read.texts, default=(), many=True, binds=True, metavar="ALIAS",
        help="Serve the versions this alias points at", group="Selection", commands=_EVERY,
    ),
    Option(
        name="split", parse=split.parse, binds=True, metavar="ALIAS=N,…", rare=True,
        help="Share a model's traffic: champion=90,challenger=10", group="Selection",
        commands=_SYNC,
    ),
    Option(
        name="templates", parse=read.text, binds=True, metavar="DIR",
        help="Folder of templates with {{ … }} placeholders", group="Description", commands=_SYNC,
    ),
    Option(
        name="base-template", parse=read.text, binds=True, metavar="FILE", rare=True,
        help="Template below each deploy.yaml", shown="DIR/_base.yaml", group="Description",
        commands=_SYNC,
    ),
    Option(
        name="model", parse=read.texts, default=(), many=True, binds=True, metavar="PATTERN",
        help="Look only at models whose name matches PATTERN", group="Selection",
        commands=_SYNC | _on("check status"), field="models",
    ),
    Option(
        name="owner", parse=read.label("label value"), binds=True, metavar="NAME", rare=True,
        help="Value of the m2s.io/owner label on everything m2s writes",
        shown="from --stage or --alias", group="Selection", commands=_EVERY,
    ),
    Option(
        name="namespace", parse=read.label("namespace name"), binds=True, metavar="NAMESPACE",
        short="-n", help="Namespace", shown="the context's", group="Connection",
        commands=_REACH,
    ),
    Option(
        name="tracking-uri", parse=read.text, metavar="URI", help="MLflow tracking URI",
        shown="MLFLOW_TRACKING_URI", group="Connection",
        commands=_SYNC | _on("check webhook fetch verify"),
    ),
    Option(
        name="workspace", parse=read.workspace, binds=True, metavar="NAME", rare=True,
        help="Workspace of an MLflow server that has them", shown="MLFLOW_WORKSPACE",
        group="Connection", commands=_SYNC | _on("check webhook fetch verify"),
    ),
    Option(
        name="target", parse=read.target, default="kubernetes", binds=True, metavar="TARGET",
        rare=True,
        help="Where to write: kubernetes, or dir:PATH for a folder of manifests",
        group="Connection", commands=_REACH,
    ),
    Option(
        name="kubeconfig", parse=read.text, metavar="PATH", help="Kubeconfig", rare=True,
        shown="KUBECONFIG, else in-cluster", group="Connection", commands=_REACH,
    ),
    Option(
        name="context", parse=read.text, metavar="NAME", help="Kubeconfig context",
        group="Connection", commands=_REACH,
    ),
    Option(
        name="request-timeout", parse=read.duration, default=30.0, metavar="DURATION", rare=True,
        help="Longest wait for one request", shown="30s", group="Connection",
        commands=_EVERY | _on("fetch"),
    ),
    Option(
        name="concurrency", parse=read.count(99), default=8, metavar="N", rare=True,
        help="Requests under way at the same time", shown="8", group="Connection",
        commands=_SYNC | _on("rollback"),
    ),
    Option(
        name="qps", parse=read.rate, default=500.0, metavar="N", rare=True,
        help="Requests a second to the cluster, 0 for no limit", shown="500", group="Connection",
        commands=_CLUSTER,
    ),
    Option(
        name="burst", parse=read.count(999_999, "requests"), default=1000, metavar="N", rare=True,
        help="Requests above --qps that may come at once", shown="1000", group="Connection",
        commands=_CLUSTER,
    ),
    Option(
        name="cache", parse=read.flag, default=True, rare=True,
        help="Fetch the deploy.yaml of an unchanged version once", shown="yes",
        group="Connection", commands=_SYNC,
    ),
    Option(
        name="model-uri-map", parse=read.uri_map, default=(), many=True, binds=True,
        metavar="FROM=TO", help="Replace a prefix of model URIs", group="Description",
        commands=_SYNC, field="uri_map",
    ),
    Option(
        name="artifact-root", parse=read.text, binds=True, metavar="URI", rare=True,
        help="Replace MLflow's artifact root by URI in model URIs", group="Description",
        commands=_SYNC,
    ),
    Option(
        name="deploy-file", parse=read.OneOf("required", "optional", "ignored"), binds=True,
        metavar="WORD", help="What deploy.yaml is: required, optional or ignored",
        shown="required", group="Description", commands=_SYNC,
    ),
    Option(
        name="platform", parse=read.label("platform's name"), binds=True, metavar="NAME",
        help="Serving platform of versions without a deploy.yaml", shown="seldon",
        group="Description", commands=_REACH | _on("init"),
    ),
    Option(
        name="platforms", parse=read.texts, default=(), many=True, binds=True,
        help="Platforms whose deployments are looked at though no deploy.yaml names them",
        group="Description", commands=frozenset(), metavar="NAME",
    ),
    Option(
        name="default-image", parse=read.image, binds=True, metavar="IMAGE",
        help="Image that serves versions without a deploy.yaml", group="Description",
        commands=_SYNC,
    ),
    Option(
        name="image-tag", parse=read.text, binds=True, metavar="TAG", rare=True,
        help="Registered-model tag whose image replaces --default-image",
        shown="deployment-image", group="Description", commands=_SYNC,
    ),
    Option(
        name="image-registry", parse=read.image_registry, binds=True, metavar="PREFIX", rare=True,
        help="Registry that replaces the image: prefix of an image's name", group="Description",
        commands=_SYNC,
    ),
    Option(
        name="init-image", parse=read.image, binds=True, metavar="IMAGE", rare=True,
        default="docker.io/seldonio/rclone-storage-initializer:1.17.1",
        help="Image that brings the model to --default-image", shown="Seldon's rclone",
        group="Description", commands=_SYNC,
    ),
    Option(
        name="fetch-image", parse=read.image, binds=True, metavar="IMAGE", rare=True,
        help="Image of m2s that brings models which only MLflow can hand out",
        group="Description", commands=_SYNC,
    ),
    Option(
        name="server", parse=read.OneOf("platform", "mlflow"), binds=True, metavar="WORD",
        rare=True,
        help="Server for versions without a deploy.yaml: platform or mlflow",
        shown="the platform's", group="Description", commands=_SYNC,
    ),
    Option(
        name="image-pull-secret", parse=read.object_names, default=(), many=True, binds=True,
        metavar="NAME", rare=True, help="Secret to pull --default-image with",
        group="Description", commands=_SYNC, field="image_pull_secrets",
    ),
    Option(
        name="env-secret", parse=read.object_name, binds=True, metavar="NAME", rare=True,
        help="Secret with the store's credentials, for versions without a deploy.yaml",
        group="Description", commands=_SYNC,
    ),
    Option(
        name="service-account", parse=read.object_name, binds=True, metavar="NAME", rare=True,
        help="ServiceAccount for versions without a deploy.yaml", group="Description",
        commands=_SYNC,
    ),
    Option(
        name="protocol", parse=read.OneOf("seldon", "v2"), binds=True, metavar="WORD", rare=True,
        help="Protocol for versions without a deploy.yaml: seldon or v2", shown="seldon",
        group="Description", commands=_SYNC,
    ),
    Option(
        name="on-conflict", parse=read.OneOf("highest", "block"), default="highest", binds=True,
        metavar="WORD", rare=True, help="Several versions in a stage: highest or block",
        shown="highest", group="Safety", commands=_SYNC,
    ),
    Option(
        name="adopt", parse=read.flag, default=False, binds=True,
        help="Take over objects that nobody manages", group="Safety", commands=_SYNC,
    ),
    Option(
        name="force-conflicts", parse=read.flag, default=True, binds=True, rare=True,
        help="Take back fields that somebody else changed", shown="yes", group="Safety",
        commands=_SYNC | _on("rollback"),
    ),
    Option(
        name="ignore", parse=read.pointers, default=("/spec/replicas",), many=True, binds=True,
        metavar="POINTER", help="Leave the field at this JSON pointer of a live object to others",
        shown="/spec/replicas", group="Safety", commands=_SYNC | _on("rollback"),
    ),
    Option(
        name="show-env", parse=read.shown_names, default=(), many=True, metavar="NAME", rare=True,
        help="Show the value of this environment variable in plans", group="Output",
        commands=_SYNC | _on("rollback"),
    ),
    Option(
        name="preflight", parse=read.flag, binds=True, rare=True,
        help="Check the Secrets and models that deployments name", shown="not for folders",
        group="Safety", commands=_SYNC,
    ),
    Option(
        name="strict", parse=read.flag, default=False, binds=True, rare=True,
        help="Block what preflight warns about", group="Safety", commands=_SYNC,
    ),
    Option(
        name="max-delete", parse=read.max_delete, default=MaxDelete(5, 30), metavar="N,P%",
        help="Most deletions in one run, the larger of both", shown="5,30%", group="Safety",
        commands=_SYNC,
    ),
    Option(
        name="prune", parse=read.flag, default=False,
        help="Also delete what the selector no longer wants", group="Safety",
        commands=_on("apply watch"),
    ),
    Option(
        name="wait", parse=read.flag, default=False,
        help="Follow the roll-outs until the new generation serves", group="Output",
        commands=_APPLY,
    ),
    Option(
        name="timeout", parse=read.duration, default=600.0, metavar="DURATION",
        help="How long a roll-out is waited for", shown="10m", group="Output",
        commands=_APPLY | _WATCH,
    ),
    Option(
        name="verify", parse=read.flag, default=False, rare=True,
        help="Ask what was deployed with the example that was logged with it; waits",
        group="Output", commands=_FOLLOW,
    ),
    Option(
        name="rollback-on-failure", parse=read.flag, default=False, rare=True,
        help="Take back what does not roll out, or does not answer; waits", group="Safety",
        commands=_FOLLOW,
    ),
    Option(
        name="interval", parse=read.interval, default=30.0, metavar="DURATION",
        help="Time from one pass to the next", shown="30s", group="Watching", commands=_WATCH,
    ),
    Option(
        name="resync", parse=read.interval, default=600.0, metavar="DURATION", rare=True,
        help="Read the whole registry again this often", shown="10m", group="Watching",
        commands=_WATCH,
    ),
    Option(
        name="policy", parse=read.OneOf("sync", "upsert-only"), metavar="WORD",
        help="upsert-only, or sync: delete too", shown="upsert-only", group="Watching",
        commands=_WATCH_TOO,
    ),
    Option(
        name="prune-after", parse=read.count(9_999, "passes"), default=3, metavar="N", rare=True,
        help="Delete what N passes in a row found unwanted", shown="3", group="Watching",
        commands=_WATCH,
    ),
    Option(
        name="retire-after", parse=read.duration, metavar="DURATION", group="Watching",
        help="Delete what another platform serves now once its successor is so old",
        shown="never", commands=frozenset(),
    ),
    Option(
        name="leader-elect", parse=read.flag, default=False,
        help="Of several replicas let only one write", group="Watching", commands=_WATCH_TOO,
    ),
    Option(
        name="lease-name", parse=read.label("name of a Lease"), metavar="NAME", rare=True,
        help="Lease to contend for", shown="m2s-<owner>", group="Watching", commands=_WATCH_TOO,
    ),
    Option(
        name="listen", parse=read.address, metavar="ADDRESS:PORT",
        help="Serve the page, probes, metrics and POST /mlflow", group="Watching",
        commands=_WATCH,
    ),
    Option(
        name="webhook-secret-file", parse=read.text, metavar="PATH", rare=True,
        help="File with the secret of MLflow's webhook", group="Watching",
        commands=_on("watch webhook"),
    ),
    Option(
        name="write-back", parse=read.flag, default=False, rare=True,
        help="Tell MLflow what is live, by tags on model versions", group="Output",
        commands=_WRITE,
    ),
    Option(
        name="verbose", parse=read.flag, default=False, short="-v", help="Tell each step",
        group="Output", commands=_TELLING,
    ),
    Option(
        name="debug", parse=read.flag, default=False, group="Output", commands=_TELLING,
        help="Tell each request too: method, URL, status and time",
    ),
    Option(
        name="log-format", parse=read.OneOf("console", "json"), default="console",
        metavar="WORD", rare=True,
        help="Log lines: console or json", shown="console", group="Output", commands=_WATCH,
    ),
)  # fmt: skip

OPTIONS: Mapping[str, Option] = {row.name: row for row in _ROWS}


def of(command: str) -> Iterable[Option]:
    """Return the options of a command, by group and then in the order of the table."""
    rows = [row for row in _ROWS if command in row.commands]
    return sorted(rows, key=lambda row: GROUPS.index(row.group))


def variable(name: str) -> str:
    """Return the environment variable of an option: ``M2S_MAX_DELETE``."""
    return OPTIONS[name].variable
