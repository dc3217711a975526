"""The time for an answer follows from how long the API server waits, as the URL says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.controller.server_probe import parse_late_reviews
from webhook.server.patience import LEAST_SECONDS, REQUEST_SECONDS, LateReviews, seconds_to_answer


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("timeout=5s", 4.0),
        ("timeout=4s", 3.0),
        ("timeout=2s", 1.0),
        ("timeout=1s", LEAST_SECONDS),
        ("timeout=0s", LEAST_SECONDS),
        ("timeout=500ms", LEAST_SECONDS),
        ("timeout=2.5s", 1.5),
        ("timeout=1m0s", REQUEST_SECONDS),
        ("timeout=1h2m3s", REQUEST_SECONDS),
        ("timeout=30s", REQUEST_SECONDS),
        ("a=b&timeout=3s", 2.0),
        ("timeout=3s&timeout=1s", REQUEST_SECONDS),
        *((query, REQUEST_SECONDS) for query in ("", "timeout", "timeout=", "timeout=x", "timeout=-1s", "timeout=3")),
        *((query, REQUEST_SECONDS) for query in ("timeout=1e9s", "timeout=٣s", "timeout=nan", "TIMEOUT=1s", "timeout=99999s")),
        ("&".join(["a=b"] * 20 + ["timeout=1s"]), REQUEST_SECONDS),
    ],
)  # fmt: skip
def test_the_time_is_what_the_api_server_waits_less_its_rounding(query: str, seconds: float) -> None:
    """Bounded above by the registration's own timeout, and below by what a decision needs."""
    assert seconds_to_answer(query) == pytest.approx(seconds)


@given(st.text(max_size=200))
def test_any_query_gives_a_time_within_the_bounds(query: str) -> None:
    """Whoever has the token may send any."""
    assert LEAST_SECONDS <= seconds_to_answer(query) <= REQUEST_SECONDS
    assert LEAST_SECONDS <= seconds_to_answer(f"timeout={query}") <= REQUEST_SECONDS


def test_late_reviews_are_told_as_the_controller_reads_them() -> None:
    """A process has a name of its own, so that one that starts again is another one."""
    late = LateReviews()
    assert [*parse_late_reviews(str(late)).values()] == [0]
    late.count()
    late.count()
    [(name, count)] = parse_late_reviews(str(late)).items()
    assert (len(name), count) == (8, 2)
    assert parse_late_reviews(str(LateReviews())).keys() != {name}


@pytest.mark.parametrize(
    "note", ["", ":", "12345678", "12345678:", "12345678:-1", "1234567g:1", "12345678:" + "9" * 16]
)
def test_another_note_counts_nothing(note: str) -> None:
    """Of a server of another release."""
    assert parse_late_reviews(note) == {}
