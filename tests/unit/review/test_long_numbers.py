"""Check that numbers too long for any API server are found everywhere, and that texts of digits are allowed."""

import json
import time
from typing import Final

import pytest

from webhook.review.decode import LONGEST_NUMBER, decode, has_long_number
from webhook.review.envelope import BadReview

LONG: Final = LONGEST_NUMBER + 1


@pytest.mark.parametrize(
    "number",
    ["9" * LONG, "-" + "9" * LONG, "0." + "1" * LONG, "1" + "0" * LONG + "e-5", "1e" + "9" * LONG, "1E+" + "0" * LONG],
)
@pytest.mark.parametrize("around", ["{}", "[{}]", '{{"a":{}}}', '{{"a":"9","b":[1,{},"x"]}}', '{{"\\"":{},"a":1}}'])
def test_a_long_number_is_found(number: str, around: str) -> None:
    """The number may be at any place of the object."""
    assert has_long_number(around.format(number).encode())


@pytest.mark.parametrize(
    "text", ["9" * LONG, '"' + "9" * LONG, "\\" + "9" * LONG + "\\", "e" * LONG, "a,-" + "1" * LONG]
)
def test_a_text_of_digits_is_no_number(text: str) -> None:
    """Annotations and encoded values have such texts."""
    assert not has_long_number(json.dumps({"a": text, "b": "9" * LONGEST_NUMBER}).encode())
    assert not has_long_number(json.dumps([text, int("9" * LONGEST_NUMBER)]).encode())


@pytest.mark.parametrize("unit", ["9", "9" * LONGEST_NUMBER + ",", '"9"', '"' + "9" * LONG + '",', '\\"', "e,"])
def test_the_time_grows_with_the_size_alone(unit: str) -> None:
    """Twice the size takes at most a few times as long, for any content."""

    def spent(size: int) -> float:
        source = (unit * (size // len(unit))).encode()
        begun = time.thread_time()
        has_long_number(source)
        return time.thread_time() - begun

    small = min(spent(200_000) for _ in range(5))
    assert min(spent(1_600_000) for _ in range(3)) < 8 * 5 * max(small, 0.0005)


def test_review_with_a_long_number_is_invalid() -> None:
    """The check runs before any value is made of it."""
    pod = '{"kind":"Pod","metadata":{"name":"web"},"spec":{"x":%s}}' % ("9" * 40_000)
    body = (
        '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1","kind":{"kind":"Pod"},'
        '"resource":{"version":"v1","resource":"pods"},"operation":"CREATE","userInfo":{"username":"jane"},"object":%s}}'
    )
    with pytest.raises(BadReview, match=r"request.object: a number has more than 400 characters"):
        decode((body % pod).encode())
