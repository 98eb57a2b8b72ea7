"""The options that all commands share, added to each command's signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping
from typing import Annotated, Any

import typer

from m2s.cli.late import late

REPEATABLE = "Repeatable."

# (option, its flags after the long one, metavar, help); no metavar makes it an on/off flag.
_SHARED: tuple[tuple[str, tuple[str, ...], str | None, str], ...] = (
    ("stage", (), "STAGE", "Serve the versions in this MLflow stage. Repeatable."),
    ("alias", (), "ALIAS", "Serve the versions this alias points at. Repeatable."),
    ("split", (), "ALIAS=N,…", "Share a model's traffic: champion=90,challenger=10."),
    ("templates", (), "DIR", "Folder of SeldonDeployments with {{ … }} placeholders."),
    ("base-template", (), "FILE", "Template below each deploy.yaml (default: DIR/_base.yaml)."),
    ("model", (), "PATTERN", "Look only at models matching PATTERN. Repeatable."),
    ("owner", (), "NAME", "Whose objects these are (default: the selector)."),
    ("namespace", ("-n",), "NAMESPACE", "Namespace (default: the context's)."),
    ("tracking-uri", (), "URI", "MLflow tracking URI (default: MLFLOW_TRACKING_URI)."),
    ("workspace", (), "NAME", "Workspace of the MLflow server (default: MLFLOW_WORKSPACE)."),
    ("target", (), "TARGET", "kubernetes, or dir:PATH for a folder of manifests."),
    ("kubeconfig", (), "PATH", "Kubeconfig (default: KUBECONFIG, else in-cluster)."),
    ("context", (), "NAME", "Kubeconfig context."),
    ("request-timeout", (), "DURATION", "Longest wait for one request (default: 30s)."),
    ("concurrency", (), "N", "Requests under way at a time (default: 8)."),
    ("qps", (), "N", "Requests a second to the cluster, 0: no limit (default: 500)."),
    ("burst", (), "N", "Requests that may come at once above --qps (default: 1000)."),
    ("cache", (), None, "Fetch deploy.yaml of an unchanged version once (default: yes)."),
    ("model-uri-map", (), "FROM=TO", "Replace a prefix of model URIs. Repeatable."),
    ("artifact-root", (), "URI", "Where the artifact root is for model servers."),
    ("deploy-file", (), "WORD", "deploy.yaml is required (default), optional or ignored."),
    ("default-image", (), "IMAGE", "Model wrapper for versions without a deploy.yaml."),
    ("image-tag", (), "TAG", "Model's tag that names its image (default: deployment-image)."),
    ("image-registry", (), "PREFIX", "What image: in an image's name stands for."),
    ("init-image", (), "IMAGE", "Brings the model into a wrapper (default: Seldon's rclone)."),
    ("image-pull-secret", (), "NAME", "Secret to pull those images with. Repeatable."),
    ("env-secret", (), "NAME", "Secret of the store, for versions without a deploy.yaml."),
    ("service-account", (), "NAME", "Their ServiceAccount."),
    ("protocol", (), "WORD", "Their protocol: seldon (default) or v2."),
    ("on-conflict", (), "WORD", "Several versions in a stage: highest (default) or block."),
    ("adopt", (), None, "Take over objects that m2s does not manage yet."),
    ("force-conflicts", (), None, "Take drifted fields back from others (default: yes)."),
    ("ignore", (), "POINTER", "Leave a path to others (default: /spec/replicas). Repeatable."),
    ("preflight", (), None, "Check what deployments refer to (default: not for folders)."),
    ("strict", (), None, "Block what preflight warns about."),
    ("max-delete", (), "N,P%", "Deletion budget, the larger of both (default: 5,30%)."),
)
_APPLYING: tuple[tuple[str, tuple[str, ...], str | None, str], ...] = (
    ("prune", (), None, "Also delete what the selector no longer wants."),
    ("wait", (), None, "Follow the rollouts until the new generation serves."),
    ("timeout", (), "DURATION", "How long --wait waits (default: 10m)."),
)
_WRITING: tuple[tuple[str, tuple[str, ...], str | None, str], ...] = (
    ("write-back", (), None, "Tell MLflow what is live, by tags on model versions."),
)
_WATCHING: tuple[tuple[str, tuple[str, ...], str | None, str], ...] = (
    ("interval", (), "DURATION", "From one pass to the next (default: 30s)."),
    ("resync", (), "DURATION", "Read the whole registry again this often (default: 10m)."),
    ("policy", (), "WORD", "upsert-only (default), or sync: delete too."),
    ("prune", (), None, "Short for --policy sync."),
    ("prune-after", (), "N", "Delete what N passes in a row found unwanted (default: 3)."),
    ("leader-elect", (), None, "Of several replicas only one writes."),
    ("lease-name", (), "NAME", "Lease to contend for (default: m2s-<owner>)."),
    ("listen", (), "ADDRESS:PORT", "Serve the page, probes, metrics and POST /mlflow."),
    ("webhook-secret-file", (), "PATH", "File with the secret of MLflow's webhook."),
    ("log-format", (), "WORD", "console (default) or json."),
)


def with_settings(
    *,
    applying: bool = False,
    pruning: bool = False,
    watching: bool = False,
    only: Container[str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a :class:`~m2s.cli.late.Late` command the shared options, as one mapping ``flags``.

    ``applying``, ``pruning`` and ``watching`` add those of apply, prune and watch, ``only`` leaves
    all others out.
    Values are raw, None where not given: :func:`m2s.settings.build` reads the environment and
    m2s.yaml too, and checks them all in one place.
    """

    def complete(command: Callable[..., None]) -> Callable[..., None]:
        writing = _WRITING if applying or pruning or watching else ()
        more = (*(_APPLYING if applying else ()), *(_WATCHING if watching else ()), *writing)
        rows = [row for row in (*_SHARED, *more) if only is None or row[0] in only]
        shared = [_parameter(*row) for row in rows]
        names = {parameter.name for parameter in shared}

        def wrapped(**given: Any) -> None:
            flags = {
                name.replace("_", "-"): given.pop(name) for name in list(given) if name in names
            }
            command(flags=_not_empty(flags), **given)

        signature = inspect.signature(command, eval_str=True)
        own = [item for item in signature.parameters.values() if item.name != "flags"]
        own = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own]
        wrapped.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]  # read by typer
        return wrapped

    return lambda command: late(command.__name__, command.__doc__, lambda: complete(command))


def _not_empty(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what was not given; typer hands over an empty list for a repeatable flag."""
    return {name: raw for name, raw in flags.items() if raw not in (None, [])}


def _parameter(
    name: str, more: tuple[str, ...], metavar: str | None, text: str
) -> inspect.Parameter:
    flags = (f"--{name}", *more) if metavar else (f"--{name}/--no-{name}",)
    option = typer.Option(
        *flags,
        help=text,
        metavar=metavar,
        show_default=False,
    )
    kind: Any = bool | None if metavar is None else str | None
    if text.endswith(REPEATABLE):
        kind = list[str] | None
    return inspect.Parameter(
        name.replace("-", "_"),
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind, option],
    )
