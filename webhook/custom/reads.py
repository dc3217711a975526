"""What an expression reads of its variables, by its text: never less than it does."""

import re
from collections.abc import Mapping
from typing import Any, Final

from webhook.custom.cost import bare

Path = tuple[str, ...]
WHOLE: Final[Path] = ()
FIELD: Final = r"\s*\.\s*\??\s*[A-Za-z_]\w*+(?!\s*\()"


def paths(expression: str, variable: str) -> frozenset[Path]:
    """The fields of a variable that an expression may read; the whole one where it does not say which."""
    mentions = re.finditer(rf"\b{variable}\b((?:{FIELD})*)", bare(expression))
    return frozenset(tuple(re.findall(r"\w+", one[1])) for one in mentions) or frozenset({WHOLE})


def reached(value: Any, path: Path) -> tuple[int, Any]:
    """How far a path leads into an object, and what is there; what the last field met lacks is no matter."""
    for depth, name in enumerate(path):
        if not isinstance(value, Mapping):
            return depth, value
        if name not in value:
            return depth, None
        value = value[name]
    return len(path), value
