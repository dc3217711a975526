"""Which tokens a server accepts, whatever becomes of the Secret."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from webhook.model.path_tokens import MOST_ENDED, MOST_KEPT, PLAIN, Accepted, PathToken, PathTokens, digest

NAMES = st.sampled_from([letter * 22 for letter in "abcdefgh"]).map(PathToken)
STATES = st.builds(
    PathTokens,
    registered=NAMES,
    next=st.none() | NAMES,
    previous=st.lists(NAMES, max_size=3).map(tuple),
    ended=st.lists(st.sampled_from([digest(letter * 22) for letter in "abcdefgh"]), unique=True, max_size=4).map(tuple),
)
A, B, C = (PathToken(letter * 22) for letter in "abc")


def values(*tokens: PathToken) -> tuple[str, ...]:
    """Return what requests show."""
    return tuple(one.value for one in tokens)


@given(st.lists(STATES, max_size=12))
def test_what_is_stored_is_accepted_and_what_disappears_is_kept_or_was_ended(states: list[PathTokens]) -> None:
    """Whatever Secrets follow each other."""
    accepted = Accepted()
    for stored in states:
        before, accepted = accepted, accepted.after(stored)
        assert set(stored.accepted) <= set(accepted.values)
        assert set(accepted.values) <= {*stored.accepted, *before.values}
        if not {*before.stored.ended} & {*stored.ended}:
            ended = {one for one in before.values if digest(one) in stored.ended}
            assert set(before.values) - set(accepted.values) <= ended
        assert accepted.after(stored).values == accepted.values, "the same Secret again changes nothing"
        assert len(accepted.kept) <= MOST_KEPT
        assert not any(one.value in f"{accepted!r}" for one in (A, B, C))


@given(st.integers(0, 60), st.integers(1, 8))
def test_in_regular_steps_a_server_that_sees_only_some_keeps_nothing(steps: int, every: int) -> None:
    """Each token ends by name; a watch that misses some steps sees the end all the same."""
    tokens, server = PathTokens(registered=PathToken("0" * 22)), Accepted()
    server = server.after(tokens)
    for number in range(1, steps * 3):
        phase = number % 3
        if phase == 1:
            tokens = replace(tokens, next=PathToken(f"{number:022}"))
        elif phase == 2:
            assert tokens.registered is not None
            tokens = replace(tokens, registered=tokens.next, next=None, previous=(tokens.registered,))
        else:
            tokens = tokens.without_previous
        if number % every == 0:
            server = server.after(tokens)
            assert server.values == tokens.accepted
    assert len(tokens.ended) <= MOST_ENDED


def test_a_backup_takes_nothing_away_until_the_next_regular_end() -> None:
    """The API server still uses what the backup does not have."""
    before = PathTokens(registered=B, ended=(digest("x"), digest(A.value)))
    server = Accepted().after(before).after(PathTokens(registered=A, ended=(digest("x"),)))
    assert server.values == values(A, B)
    mended = PathTokens(registered=B, next=C, previous=(A,), ended=(digest("x"),))
    server = server.after(mended)
    assert (server.kept, server.values) == ((), values(B, C, A))
    assert server.after(mended.without_previous).values == values(B, C)


def test_what_no_end_names_is_dropped_at_the_end_of_another() -> None:
    """The controller ends tokens while the registered one is in use alone."""
    server = Accepted().after(PathTokens(registered=B, previous=(A,), ended=(digest("x"),)))
    server = server.after(PathTokens(registered=C, ended=(digest("x"),)))
    assert server.values == values(C, B, A)
    server = server.after(PathTokens(registered=C, ended=(digest("x"), digest("y"))))
    assert server.values == values(C)


def test_what_is_registered_is_accepted_although_it_is_not_stored() -> None:
    """By a server that starts while the Secret contains a backup."""
    server = Accepted().keeping(B.value)
    assert server.values == values(B)
    server = server.after(PathTokens(registered=A)).keeping(B.value)
    assert server.values == values(A, B)
    assert server.after(PathTokens(registered=B)).kept == values(A)


def test_the_plain_path_ends_as_any_other() -> None:
    """It is no secret, so no server may keep it; where it is registered again, it is stored again."""
    tokens = PathTokens(registered=B, previous=(PathToken(PLAIN), A, A))
    assert tokens.without_previous.ended == (digest(PLAIN), digest(A.value))
    server = Accepted().after(tokens).after(tokens.without_previous)
    assert server.values == values(B)
    assert server.after(replace(tokens, ended=tokens.without_previous.ended)).values == (
        B.value,
        PLAIN,
        A.value,
        A.value,
    )
