"""What stands between ``{{`` and ``}}``: Jinja2's expressions in its sandbox; pure.

The only importer of jinja2, which is what the field writes templates in. An expression gives one
value; there are no statements, so nothing loops, and what could make a small text large (calls,
``*`` on texts, most filters) is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import jinja2
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.sandbox import SandboxedEnvironment

from m2s.desired.documents import Function, Nameable, Placeholder, Scalar, Text
from m2s.platforms.problem import Problem

MAX_VALUE = 64 * 1024
"""Characters that one placeholder may become; an MLflow tag has 8,000 at most."""
MAX_SOURCE = 2_000
"""Characters of one expression."""


def pieces(text: str) -> Iterator[Text | Placeholder]:
    """Yield what a file consists of; comments of Jinja's are left out.

    Raises:
        Problem: ``LINE: why`` for what Jinja2 cannot read, and for a statement.
    """
    inside, begun, is_open = list[str](), 0, False
    for line, kind, value in _tokens(text):
        if kind == "variable_begin":
            inside, begun, is_open = [], line, True
        elif kind == "variable_end":
            is_open = False
            yield Placeholder("".join(inside).strip(), begun)
        elif kind == "block_begin":
            raise Problem(f"{line}: a template has placeholders {{{{ … }}}} only, no {{% … %}}")
        elif kind == "data":
            yield Text(value, line)
        elif kind in ("raw_begin", "raw_end") or "comment" in kind:
            continue
        else:
            inside.append(value)
    if is_open:
        raise Problem(f"{begun}: a {{{{ without its }}}}")


def _tokens(text: str) -> Iterator[tuple[int, str, str]]:
    try:
        yield from _ENVIRONMENT.lex(text)
    except jinja2.TemplateSyntaxError as error:
        raise Problem(f"{error.lineno}: {error.message}") from error


def evaluate(source: str, names: Mapping[str, Any]) -> Scalar:
    """Return the value of an expression.

    Raises:
        Problem: it is no expression, asks for what is not there, or gives no single value.
    """
    if not source:
        raise Problem("nothing between {{ and }}")
    if len(source) > MAX_SOURCE:
        raise Problem(f"an expression of over {MAX_SOURCE:,} characters")
    try:
        value = _compiled(source)(**names)
        return _scalar(str(value) if isinstance(value, jinja2.Undefined) else value)
    except Problem:
        raise
    except jinja2.TemplateAssertionError as error:
        raise Problem(f"{error.message} There are {', '.join(_FILTERS)}") from error
    except jinja2.TemplateError as error:
        raise Problem(str(error.message)) from error
    except Exception as error:  # the sandbox promises no more than that it raises
        raise Problem(f"{source}: {error}") from error


def _scalar(value: object) -> Scalar:
    if isinstance(value, str) and len(value) > MAX_VALUE:
        raise Problem(f"a value of over {MAX_VALUE:,} characters")
    if isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    wrong = str(value) if isinstance(value, Nameable) else f"a {type(value).__name__}"
    raise Problem(f"a placeholder gives a text or a number, not {wrong}")


class _Undefined(jinja2.StrictUndefined):
    """Says what is missing in the words of the one that lacks it."""

    @property
    def _undefined_message(self) -> str:
        if isinstance(self._undefined_obj, Nameable):
            return self._undefined_obj.lacks(self._undefined_name)
        return super()._undefined_message


_NUMBER = int | float


class _Sandbox(SandboxedEnvironment):
    intercepted_binops = frozenset({"*", "**", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**" or not isinstance(left, _NUMBER) or not isinstance(right, _NUMBER):
            raise SecurityError(f"{operator} takes numbers only, and ** is not allowed")
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(obj, jinja2.Undefined):
            str(obj)  # says what is missing
        if not isinstance(obj, Function):
            raise SecurityError("nothing but model(…) can be called; there are filters")
        return super().call(context, obj, *args, **kwargs)


def _number(kind: type[int] | type[float], words: str) -> Callable[[object], int | float]:
    """Return a filter; Jinja's own would make 0 of what is not a number."""

    def read(value: object) -> int | float:
        try:
            return kind(str(value))
        except ValueError as error:
            raise Problem(f"{value!r} is no {words}") from error

    return read


def _replace(value: object, old: object, new: object) -> str:
    text, found, instead = str(value), str(old), str(new)
    if len(text) + text.count(found) * len(instead) > MAX_VALUE:
        raise Problem(f"a value of over {MAX_VALUE:,} characters")
    return text.replace(found, instead)


_FILTERS: Mapping[str, Callable[..., Any]] = {
    **{name: FILTERS[name] for name in ("default", "lower", "upper", "trim", "string")},
    "int": _number(int, "whole number"),
    "float": _number(float, "number"),
    "replace": _replace,
}


_ENVIRONMENT = _Sandbox(undefined=_Undefined, keep_trailing_newline=True)
_ENVIRONMENT.filters = dict(_FILTERS)
_ENVIRONMENT.globals.clear()


@lru_cache(maxsize=4096)
def _compiled(source: str) -> Callable[..., Any]:
    return _ENVIRONMENT.compile_expression(source, undefined_to_none=False)
