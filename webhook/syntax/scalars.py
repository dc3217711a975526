"""Resolve a YAML scalar to the value that kubectl reads.

kubectl parses YAML with go.yaml.in/yaml/v2 through sigs.k8s.io/yaml. The rules are those of that library's resolve.go:
YAML 1.1 booleans, Go's integers, no numbers in base 60, and dates that remain text. tests/oracles/test_kubectl.py
compares them with kubectl itself.
"""

import base64
import binascii
import re
import struct
from datetime import datetime
from typing import Final

Scalar = str | bool | int | float | None

PREFIX: Final = "tag:yaml.org,2002:"
TEXT_TAG: Final = f"{PREFIX}str"
BINARY_TAG: Final = f"{PREFIX}binary"
# The tags whose values are resolved; a value with another tag is text.
RESOLVED: Final = {
    f"{PREFIX}bool": bool,
    f"{PREFIX}int": int,
    f"{PREFIX}float": float,
    f"{PREFIX}null": type(None),
    f"{PREFIX}timestamp": datetime,
}
WORD_VALUES: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **{form: True for word in ("y", "yes", "true", "on") for form in (word, word.capitalize(), word.upper())},
    **{form: False for word in ("n", "no", "false", "off") for form in (word, word.capitalize(), word.upper())},
    **{form: float("nan") for form in (".nan", ".NaN", ".NAN")},
    **{f"{sign}{word}": float(f"{sign}inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
}
# Go's strconv.ParseInt with base 0, without underscores: 0x, 0o, 0b, and 0 before octal digits.
INTEGER: Final = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[oO]?([0-7]+)|0[bB]([01]+)|(0|[1-9][0-9]*))")
BASES: Final = (16, 8, 2, 10)
FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
# strconv.ParseFloat takes a number that begins with its dot unchanged, and accepts an underscore between two digits.
DOTTED: Final = re.compile(r"\.[0-9]+(?:_[0-9]+)*(?:[eE][-+]?[0-9]+(?:_[0-9]+)*)?")
SIGNED_BINARY: Final = re.compile(r"0b([-+][01]+)")
# More digits exceed every integer of Go, and Python takes long to read them.
LONGEST_INTEGER: Final = 80
MOST_NEGATIVE, MOST_SIGNED, MOST_UNSIGNED = -(2**63), 2**63 - 1, 2**64 - 1
# The timestamps that resolve.go allows, in Python's format codes; a year has four digits.
YEAR: Final = re.compile(r"[0-9]{4}-")
FRACTION: Final = re.compile(r"(:[0-9]{1,2})\.[0-9]+")
TIMESTAMPS: Final = ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dt%H:%M:%S%z", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d")
# sigs.k8s.io/yaml writes a number that is a key with strconv.FormatFloat(f, 'g', -1, 32).
KEY_DIGITS: Final = 9  # these distinguish any two numbers of 32 bits
FIXED_FROM, FIXED_TO = -4, 6


class BadScalarError(ValueError):
    """kubectl refuses a value; the message gives the reason."""


def resolve(text: str, tag: str = "") -> Scalar:
    """Return the value of an unquoted or tagged scalar.  Raises BadScalarError if the value does not fit its tag."""
    if tag == BINARY_TAG:
        return decode_base64(text)
    if tag and tag not in RESOLVED:
        return text
    value = resolve_plain(text)
    expected = RESOLVED.get(tag)
    if expected is None or (expected is not datetime and type(value) is expected):
        return value
    if expected is float and type(value) is int and value <= MOST_SIGNED:
        return float(value)
    if expected is datetime and is_timestamp(text):
        return text
    raise BadScalarError(f"the tag !!{tag.removeprefix(PREFIX)} does not fit the value {text!r}")


def resolve_plain(text: str) -> Scalar:
    """Return the value of a scalar without quotes and without a tag."""
    if text in WORD_VALUES:
        return WORD_VALUES[text]
    first = text[0]
    if first == ".":
        return parse_number(text.replace("_", "")) if DOTTED.fullmatch(text) else text
    if first not in "+-0123456789":
        return text
    digits = text.replace("_", "")
    value = parse_integer(digits)
    found = value if value is not None else parse_number(digits)
    return text if isinstance(found, str) else found


def parse_integer(digits: str) -> int | None:
    """Return the 64-bit integer that Go reads; None if it reads none."""
    if len(digits) > LONGEST_INTEGER:
        return None
    if signed := SIGNED_BINARY.fullmatch(digits):  # Go's base 2 takes the sign after the prefix
        return int(signed[1], 2)
    if (found := INTEGER.fullmatch(digits)) is None:
        return None
    sign, *by_base = found.groups()
    value = next(int(part, base) for part, base in zip(by_base, BASES, strict=True) if part)
    value = -value if sign == "-" else value
    return value if MOST_NEGATIVE <= value <= (MOST_SIGNED if sign else MOST_UNSIGNED) else None


def parse_number(text: str) -> float | str:
    """Return the number in a text; the text itself if it is no number, or one beyond 64 bits."""
    if not FLOAT.fullmatch(text):
        return text
    value = float(text)
    return text if value in {float("inf"), float("-inf")} else value


def is_timestamp(text: str) -> bool:
    """Return whether a text is a date or a time in one of the forms that resolve.go takes."""
    if not YEAR.match(text):
        return False
    whole = FRACTION.sub(r"\1", text)
    return any(matches_format(whole, form) for form in TIMESTAMPS)


def matches_format(text: str, form: str) -> bool:
    """Return whether `strptime` reads a text."""
    try:
        datetime.strptime(text, form)  # noqa: DTZ007 (only whether it can be read)
    except ValueError:
        return False
    return True


def decode_base64(text: str) -> str:
    """Return the text that Base64 encodes.  Raises BadScalarError."""
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise BadScalarError("the value with the tag !!binary is not Base64") from None


def key_of(value: Scalar) -> str:
    """Return the text that a key becomes in JSON.  Raises BadScalarError for a key that JSON cannot express."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value <= MOST_SIGNED:
        return str(value)
    if isinstance(value, float):
        return float_key(value)
    raise BadScalarError(f"{'null' if value is None else value} cannot be a key; write it in quotes")


def float_key(value: float) -> str:
    """Return a number as sigs.k8s.io/yaml writes it in a key: with the precision of 32 bits."""
    single = to_float32(value)
    if single != single:  # noqa: PLR0124 (not a number)
        return ".nan"
    if single in {float("inf"), float("-inf")}:
        return ".inf" if single > 0 else "-.inf"
    forms = (f"{single:.{digits}e}" for digits in range(KEY_DIGITS))
    mantissa, _, exponent = next(form for form in forms if to_float32(float(form)) == single).partition("e")
    if FIXED_FROM <= int(exponent) < FIXED_TO:
        return f"{float(f'{mantissa}e{exponent}'):.{max(0, len(mantissa.strip('-').replace('.', '')) - 1 - int(exponent))}f}"
    return f"{mantissa}e{exponent}"


def to_float32(value: float) -> float:
    """Return a number with the precision of 32 bits."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")
