"""Amounts of CPU, memory and the like (k8s.io/apimachinery, pkg/api/resource/quantity.go; apiserver, pkg/cel/library/quantity.go)."""

import re
from decimal import ROUND_UP, Context, Decimal
from typing import Final

from webhook.custom.functions.function import Function, Kind, text_of

QUANTITY: Final = "quantity"
FORM: Final = re.compile(
    r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,2})?"
)
LONGEST: Final = 64
SCALES: Final = {
    "": Decimal(1),
    **{
        suffix: Decimal(10) ** (3 * power)
        for power, suffix in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), -3)
    },
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}
EXACT: Final = Context(prec=200)
SMALLEST: Final = Decimal(10) ** -9  # finer amounts are rounded up, away from zero
INT_RANGE: Final = range(-(2**63), 2**63)


def parsed(text: str) -> Decimal:
    """The amount that a text says; raises ValueError."""
    found = FORM.fullmatch(text) if len(text) <= LONGEST else None
    if not found:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    number, suffix = found[1], found[2] or ""
    scale = SCALES[suffix] if suffix in SCALES else Decimal(10) ** int(suffix[1:])
    amount = EXACT.multiply(Decimal(number), scale)
    return amount.quantize(SMALLEST, rounding=ROUND_UP, context=EXACT)


def quantity(text: str) -> dict[str, str]:
    """The amount that a text says."""
    return said(parsed(text))


def said(amount: Decimal) -> dict[str, str]:
    """An amount as a value; one amount has one text."""
    return {QUANTITY: format(EXACT.normalize(amount), "f") if amount else "0"}


def amount_of(value: dict[str, str]) -> Decimal:
    """The amount of a value."""
    return Decimal(text_of(value, QUANTITY))


def is_quantity(text: str) -> bool:
    """Whether a text is one."""
    try:
        parsed(text)
    except ValueError:
        return False
    return True


def compared(one: dict[str, str], other: dict[str, str]) -> int:
    """-1, 0 or 1, as the first is smaller, equal or greater."""
    return int(amount_of(one).compare(amount_of(other)))


def is_integer(value: dict[str, str]) -> bool:
    """Whether it is a whole number that an int holds."""
    amount = amount_of(value)
    return amount == amount.to_integral_value() and int(amount) in INT_RANGE


def as_integer(value: dict[str, str]) -> int:
    """The whole number; raises ValueError where it is none."""
    if not is_integer(value):
        raise ValueError("cannot convert value to integer")
    return int(amount_of(value))


def added(one: dict[str, str], other: dict[str, str] | int) -> dict[str, str]:
    """The sum."""
    return said(EXACT.add(amount_of(one), Decimal(other) if isinstance(other, int) else amount_of(other)))


def subtracted(one: dict[str, str], other: dict[str, str] | int) -> dict[str, str]:
    """The difference."""
    return said(EXACT.subtract(amount_of(one), Decimal(other) if isinstance(other, int) else amount_of(other)))


def sign(value: dict[str, str]) -> int:
    """-1, 0 or 1, as it is below, at or above zero."""
    return int(amount_of(value).compare(Decimal(0)))


PAIR: Final = (Kind.VALUE, Kind.VALUE)
FUNCTIONS = (
    Function("quantity", (Kind.STRING,), Kind.VALUE, quantity, is_member=False),
    Function("isQuantity", (Kind.STRING,), Kind.BOOL, is_quantity, is_member=False),
    Function("isLessThan", PAIR, Kind.BOOL, lambda one, other: compared(one, other) < 0),
    Function("isGreaterThan", PAIR, Kind.BOOL, lambda one, other: compared(one, other) > 0),
    Function("compareTo", PAIR, Kind.INT, compared),
    Function("sign", (Kind.VALUE,), Kind.INT, sign),
    Function("isInteger", (Kind.VALUE,), Kind.BOOL, is_integer),
    Function("asInteger", (Kind.VALUE,), Kind.INT, as_integer),
    Function("asApproximateFloat", (Kind.VALUE,), Kind.DOUBLE, lambda value: float(amount_of(value))),
    Function("add", PAIR, Kind.VALUE, added),
    Function("add", (Kind.VALUE, Kind.INT), Kind.VALUE, added),
    Function("sub", PAIR, Kind.VALUE, subtracted),
    Function("sub", (Kind.VALUE, Kind.INT), Kind.VALUE, subtracted),
)
