"""The deadline of an answer follows from the timeout that the API server adds to the URL."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.controller.server_probe import parse_late_reviews
from webhook.model.timeouts import REVIEW_SECONDS
from webhook.server.answer_deadline import MIN_ANSWER_SECONDS, LateReviewCounter, answer_timeout


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("timeout=5s", 4.0),
        ("timeout=4s", 3.0),
        ("timeout=2s", 1.0),
        ("timeout=1s", MIN_ANSWER_SECONDS),
        ("timeout=0s", MIN_ANSWER_SECONDS),
        ("timeout=500ms", MIN_ANSWER_SECONDS),
        ("timeout=2.5s", 1.5),
        ("timeout=1m0s", REVIEW_SECONDS),
        ("timeout=1h2m3s", REVIEW_SECONDS),
        ("timeout=30s", REVIEW_SECONDS),
        ("a=b&timeout=3s", 2.0),
        ("timeout=3s&timeout=1s", REVIEW_SECONDS),
        *((query, REVIEW_SECONDS) for query in ("", "timeout", "timeout=", "timeout=x", "timeout=-1s", "timeout=3")),
        *((query, REVIEW_SECONDS) for query in ("timeout=1e9s", "timeout=٣s", "timeout=nan", "TIMEOUT=1s", "timeout=99999s")),
        ("&".join(["a=b"] * 20 + ["timeout=1s"]), REVIEW_SECONDS),
    ],
)  # fmt: skip
def test_the_time_is_the_api_servers_timeout_less_its_rounding(query: str, seconds: float) -> None:
    """The upper bound is the registration's timeout, the lower one is the time that a decision needs."""
    assert answer_timeout(query) == pytest.approx(seconds)


@given(st.text(max_size=200))
def test_any_query_gives_a_time_within_the_bounds(query: str) -> None:
    """A sender with the token may send any query."""
    assert MIN_ANSWER_SECONDS <= answer_timeout(query) <= REVIEW_SECONDS
    assert MIN_ANSWER_SECONDS <= answer_timeout(f"timeout={query}") <= REVIEW_SECONDS


def test_the_controller_can_read_the_count_of_late_reviews() -> None:
    """Each process has its own id, so a restarted process is a new one."""
    late = LateReviewCounter()
    assert [*parse_late_reviews(str(late)).values()] == [0]
    late.count()
    late.count()
    [(name, count)] = parse_late_reviews(str(late)).items()
    assert (len(name), count) == (8, 2)
    assert parse_late_reviews(str(LateReviewCounter())).keys() != {name}


@pytest.mark.parametrize(
    "note", ["", ":", "12345678", "12345678:", "12345678:-1", "1234567g:1", "12345678:" + "9" * 16]
)
def test_an_invalid_note_counts_nothing(note: str) -> None:
    """A server of another release may send another form."""
    assert parse_late_reviews(note) == {}
