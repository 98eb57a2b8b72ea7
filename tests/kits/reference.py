"""docs/reference/options.md, made from the table of options and from the commands.

``make docs`` writes it; a test compares it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from m2s.cli.app import app
from m2s.settings.options import GROUPS, OPTIONS, Option

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "options.md"
_HEAD = """# Options

<!-- Written by `make docs` from m2s/settings/options.py. -->

Each option is a flag (`--max-delete`), an environment variable (`M2S_MAX_DELETE`) and a key of
`m2s.yaml` (`max-delete`). A flag wins over a variable, and a variable wins over the file. A
selector (`stage`, `alias` or `split`) replaces every selector of a lower place.

An option that can be repeated is a list in `m2s.yaml`, and its variable separates the values by
commas or line ends. `--no-NAME` turns a switch off. `m2s COMMAND --help` shows the common options,
`--help-all` shows all.

Two keys of `m2s.yaml` are mappings that no flag has: [`defaults`](../describing.md#layers) and
[`policy`](../policy.md), which as a word is the option below.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Yield each command's full name and the command, with its options made."""
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]  # a group
        for inner, part in getattr(command, "commands", {"": command}).items():
            words = f"{name} {inner}".strip()
            part.make_context(words, ["--help-all"], resilient_parsing=True)
            yield words, part


def page() -> str:
    """Return the page's text."""
    return "\n".join([_HEAD, *_table(), *_own()]) + "\n"


def _table() -> Iterator[str]:
    for group in GROUPS:
        yield f"## {group}\n\n| option | meaning | commands |\n|---|---|---|"
        for option in OPTIONS.values():
            if option.group == group:
                yield f"| {_flag(option)} | {_plain(option.described)} | {_on(option)} |"
        yield ""


def _flag(option: Option) -> str:
    value = f" {option.metavar}" if option.metavar else ""
    if not option.commands:
        return f"`{option.name}: [{option.metavar}]`, no flag"
    short = f"`{option.short}`, " if option.short else ""
    return f"{short}`--{option.name}{value}`"


def _on(option: Option) -> str:
    return ", ".join(sorted(option.commands)) or "all"


def _own() -> Iterator[str]:
    yield "## Options of one command\n\n| command | option | meaning |\n|---|---|---|"
    for words, command in commands():
        for param in command.params:
            if (param.name or "").replace("_", "-") not in OPTIONS and param.name != "help":
                flags = ", ".join(f"`{flag}`" for flag in param.opts)
                name = flags if param.param_type_name == "option" else f"`{param.metavar}`"
                yield f"| {words} | {name} | {_plain(getattr(param, 'help', None) or '')} |"


def _plain(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
