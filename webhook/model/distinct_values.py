"""Check that a list of the policy file has each value once, together with the faults of its items."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

TWICE = "twice"  # the type of the error for values that a list has more than once


def distinct(values: Any, check: ValidatorFunctionWrapHandler) -> Any:
    """Return the values as `check` does, if the list has each once.

    Raises PydanticCustomError otherwise, whose context has the place of each value that is there already, with the place of the
    first. If `check` refuses items, its faults and the repeated texts are reported together, as a ValidationError.
    """
    try:
        valid = check(values)
    except ValidationError as bad:
        if not isinstance(values, list):
            raise
        faults = bad.errors(include_url=False)
        broken = {one["loc"][0] for one in faults if one["loc"]}
        texts = {number: one for number, one in enumerate(values) if isinstance(one, str)}
        twice = {number: first for number, first in repetitions(texts).items() if number not in broken}
        if not twice:
            raise
        whole = InitErrorDetails(type=repeated(twice, texts), loc=(), input=values)
        raise ValidationError.from_exception_data(bad.title, [*map(details, faults), whole]) from None
    if twice := repetitions(dict(enumerate(valid))):
        raise repeated(twice, valid)
    return valid


def repetitions(values: Mapping[int, Any]) -> dict[int, int]:
    """Return the place of each value that is there already, with the place of the first."""
    first: dict[Any, int] = {}
    return {number: place for number, one in values.items() if (place := first.setdefault(one, number)) != number}


def repeated(places: Mapping[int, int], values: Mapping[int, Any] | Sequence[Any]) -> PydanticCustomError:
    """Return the fault of a list with repeated values."""
    words = ", ".join(sorted({str(values[number]) for number in places}))
    return PydanticCustomError(TWICE, "duplicate values: {words}", {"words": words, "places": places})


def details(fault: ErrorDetails) -> InitErrorDetails:
    """Return a fault of a list's item in the form from which pydantic makes a ValidationError."""
    return InitErrorDetails(type=fault["type"], loc=fault["loc"], input=fault["input"], ctx=fault.get("ctx", {}))
