"""Settings that cannot be used, in sentences: the variable, what is wrong, what is accepted, what was perhaps meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from gateway.settings import Settings

OTHER_NAMES = ("STT_SECRETS",)
ALIKE = 0.8  # similarity from which a name counts as a misspelt one
NUMBERS = {"int_parsing": "a whole number", "int_from_float": "a whole number", "float_parsing": "a number"}
BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


def describe(problem: ValidationError) -> str:
    return "; ".join(_sentence(error) for error in problem.errors())


def suggest_for_unknown_groups(environment: Iterable[str]) -> Iterator[str]:
    """Lines about variables that look like misspelt settings, in groups that Settings() does not look at."""
    known = names()
    groups = tuple(f"STT_{group}_".upper() for group in Settings.model_fields)
    for name in sorted(environment):
        foreign = name.startswith("STT_") and not name.startswith(groups) and name not in OTHER_NAMES
        if foreign and (meant := _meant(name, known)):
            yield f"{name} is no setting and was ignored; did you mean {meant}?"


def names() -> Mapping[str, Any]:
    """Every environment variable and its field."""
    return {
        f"STT_{group}_{name}".upper(): setting
        for group, field in Settings.model_fields.items()
        for name, setting in field.annotation.model_fields.items()  # type: ignore[union-attr]
    }


def _sentence(error: Any) -> str:
    name = "_".join(str(part) for part in ("STT", *error["loc"])).upper()
    if error["type"] == "extra_forbidden":
        meant = _meant(name, names())
        return f"there is no setting {name}" + (f"; did you mean {meant}?" if meant else "")
    if (reason := error.get("ctx", {}).get("error")) is not None:
        return f"{name}: {reason}"
    return f"{name} is {str(error.get('input'))!r}; {_accepted(error)}"


def _accepted(error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in NUMBERS:
        return f"accepted: {NUMBERS[kind]}"
    if kind in BOUNDS:
        words, bound = BOUNDS[kind]
        return f"accepted: {words} {context[bound]:g}"
    if kind == "literal_error":
        return f"accepted: {context['expected']}"
    if kind.startswith("bool"):
        return "accepted: true or false"
    return str(error["msg"])


def _meant(name: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=ALIKE)), "")
