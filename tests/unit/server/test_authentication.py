"""Authentication of the API server by path and by certificate."""

from pathlib import Path
from typing import Any

import pytest

from webhook.kube.api import ApiError, abbreviated
from webhook.kube.webhook_path import InvalidTokensError, build_secret, parse_tokens
from webhook.model.authentication import Authentication
from webhook.model.decision import Phase
from webhook.model.path_tokens import PLAIN, PathToken, PathTokens, well_formed, without_tokens
from webhook.server.accepted_tokens import AcceptedTokens, BadTokenFile, TokenFileWatcher, read_token_file
from webhook.server.authentication import (
    AllowAllAuthenticator,
    ClientCertificateAuthenticator,
    ReviewPath,
    SecretPathAuthenticator,
    Sender,
    review_path,
)
from webhook.server.client_certificate import certificate_names

GOOD, OTHER = "g" * 43, "o" * 43
TOKENS = PathTokens(
    PathToken(GOOD, "2026-01-01T00:00:00Z"), PathToken("n" * 43), (PathToken("p" * 43), PathToken("q" * 43))
)


def sender(token: str = "", names: tuple[str, ...] | None = None) -> Sender:
    """Return a sender with this token and these certificate names."""
    return Sender(token, lambda: names)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/validate", ReviewPath(Phase.VALIDATE, "")),
        ("/mutate", ReviewPath(Phase.MUTATE, "")),
        (f"/validate/{GOOD}", ReviewPath(Phase.VALIDATE, GOOD)),
        (f"/mutate/{GOOD}", ReviewPath(Phase.MUTATE, GOOD)),
        ("/validate/ü%", ReviewPath(Phase.VALIDATE, "ü%")),
        *((path, None) for path in ("", "/", "validate", "/validate/", "/validate/a/b", "/other", f"/other/{GOOD}")),
        *((path, None) for path in ("//validate", "/Validate", "/validate/a/", "/healthz", "/validatex", " /validate")),
    ],
)
def test_a_path_contains_a_phase_and_a_token(path: str, found: ReviewPath | None) -> None:
    """Any other path is not a review path."""
    assert review_path(path) == found


@pytest.mark.parametrize(
    "wrong", ["", "g", "g" * 42, "g" * 44, GOOD.upper(), OTHER, f" {GOOD}", f"{GOOD}\0", "ü", "\udcff"]
)
def test_a_token_must_match_completely(wrong: str) -> None:
    """A prefix, another case, or extra characters do not match; invalid text does not match either."""
    authenticator = SecretPathAuthenticator(lambda: ("n" * 43, GOOD))
    assert authenticator.authenticate(sender(GOOD)) is Authentication.PATH
    assert authenticator.authenticate(sender(wrong)) is None
    assert (authenticator.knows_path(GOOD), authenticator.knows_path(wrong)) == (True, False)


def test_a_token_is_compared_with_each_in_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """hmac.compare_digest runs on all tokens, so the time does not reveal which one matches."""
    compared: list[bytes] = []

    def compare(sent: bytes, one: bytes) -> bool:
        compared.append(one)
        return sent == one

    monkeypatch.setattr("webhook.server.authentication.compare_digest", compare)
    authenticator = SecretPathAuthenticator(lambda: (GOOD, OTHER))
    assert authenticator.knows_path(GOOD)
    assert compared == [GOOD.encode(), OTHER.encode()]


def test_without_tokens_no_sender_is_accepted() -> None:
    """The empty token is not accepted either, unless the path without a token is registered."""
    assert SecretPathAuthenticator(tuple).authenticate(sender("")) is None
    assert SecretPathAuthenticator(lambda: (PLAIN,)).authenticate(sender("")) is Authentication.PATH


@pytest.mark.parametrize(
    ("names", "shown", "is_accepted"),
    [
        ((), None, False),
        ((), ("kube-apiserver",), True),
        ((), (), True),
        (("kube-apiserver",), ("kube-apiserver",), True),
        (("kube-apiserver", "other"), ("x", "other"), True),
        (("kube-apiserver",), ("stranger",), False),
        (("kube-apiserver",), (), False),
        (("kube-apiserver",), None, False),
        (("kube-apiserver",), ("KUBE-APISERVER",), False),
    ],
)
def test_a_certificate_is_accepted_by_its_names(
    names: tuple[str, ...], shown: tuple[str, ...] | None, is_accepted: bool
) -> None:
    """A token does not replace the certificate."""
    authenticator = ClientCertificateAuthenticator(names)
    assert authenticator.authenticate(sender(GOOD, shown)) is (
        Authentication.CLIENT_CERTIFICATE if is_accepted else None
    )
    assert authenticator.knows_path("")
    assert authenticator.knows_path(GOOD)


def test_allow_all_accepts_every_sender_without_proof() -> None:
    """The audit record contains that there was no proof."""
    assert AllowAllAuthenticator().authenticate(sender("", ("kube-apiserver",))) is Authentication.NONE


class TlsConnection:
    """A TLS connection with a certificate."""

    def __init__(self, certificate: Any) -> None:
        self._certificate = certificate

    def getpeercert(self) -> Any:
        """Return the certificate as `ssl` does: empty where it was not verified."""
        return self._certificate


@pytest.mark.parametrize(
    ("certificate", "names"),
    [
        (None, None),
        ({}, None),
        ({"subject": ((("organizationName", "o"),), (("commonName", "kube-apiserver"),))}, ("kube-apiserver",)),
        ({"subject": (), "subjectAltName": (("DNS", "a"), ("IP Address", "1.2.3.4"), ("DNS", "b"))}, ("a", "b")),
        ({"subject": ((("commonName", "a"), ("commonName", "b")),), "subjectAltName": (("DNS", "a"),)}, ("a", "b")),
        ({"subject": (), "serialNumber": "1"}, ()),
    ],
)
def test_names_are_those_of_a_verified_certificate(certificate: Any, names: tuple[str, ...] | None) -> None:
    """The result has each common name and DNS name once."""
    assert certificate_names(TlsConnection(certificate)) == names


def test_a_secret_is_read_as_it_is_written() -> None:
    """Each token has its time."""
    secret = build_secret(TOKENS, "own")
    assert parse_tokens(secret) == TOKENS
    assert TOKENS.accepted == (GOOD, "n" * 43, "p" * 43, "q" * 43)
    assert "resourceVersion" not in secret["metadata"]
    assert build_secret(TOKENS, "own", {"metadata": {"resourceVersion": "7"}})["metadata"]["resourceVersion"] == "7"


def secret_with(text: str) -> dict[str, Any]:
    """Return a Secret with any text as its content."""
    import base64  # noqa: PLC0415 (used only here)

    return {"data": {"tokens.json": base64.b64encode(text.encode()).decode()}}


BAD_SECRETS = [
    {},
    {"data": None},
    {"data": {}},
    {"data": {"tokens.json": "%"}},
    {"data": {"tokens.json": 1}},
    *map(secret_with, ("", "null", "[]", "{}", '"x"', '{"registered": "x"}', '{"registered": {"value": 1}}')),
    secret_with('{"registered": {"value": "short"}}'),
    secret_with('{"registered": {"value": "%s"}}' % ("/" * 43)),
    secret_with('{{"previous": [{}]}}'.format(", ".join([f'{{"value": "{GOOD}"}}'] * 17))),
]


@pytest.mark.parametrize("found", BAD_SECRETS)
def test_a_bad_secret_changes_nothing(found: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """The API server still uses the registered token; the error is logged once, without a token."""
    with pytest.raises(InvalidTokensError) as bad:
        parse_tokens(found)
    accepted = AcceptedTokens()
    accepted.offer_secret(build_secret(TOKENS, "own"))
    accepted.offer_secret(found)
    accepted.offer_secret(found)
    assert accepted() == TOKENS.accepted
    assert (len(caplog.records), GOOD in caplog.text, GOOD in str(bad.value)) == (1, False, False)


def test_printed_values_contain_no_token() -> None:
    """A traceback or a log line may print any value."""
    assert GOOD not in f"{TOKENS!r} {TOKENS} {TOKENS.registered} {[TOKENS.registered]}"


@pytest.mark.parametrize(
    "value",
    ["", "a" * 21, "a" * 129, "a" * 30 + "/", "a" * 30 + "\n", "ä" * 30, "a b" * 10, "A" * 30, "a_" * 20, "-" * 30],
)
def test_invalid_tokens(value: str) -> None:
    """These are too short to resist guessing, too long, or not valid in a path of the API server."""
    assert not well_formed(value)


def test_a_file_has_one_token_per_line(tmp_path: Path) -> None:
    """Blank lines and surrounding spaces are ignored."""
    path = tmp_path / "tokens"
    path.write_text(f"\n {GOOD} \r\n\n{OTHER}", encoding="ascii")
    accepted = AcceptedTokens()
    file = TokenFileWatcher(path, accepted)
    file.start()
    assert accepted() == (GOOD, OTHER) == read_token_file(path)
    file.stop()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "at least one token"),
        (b"\n\n", "at least one token"),
        (b"short", ":1: expected 22 to 128 characters"),
        (GOOD.encode() + b"\nwith/slash-and-enough-length", ":2: expected 22 to 128 characters"),
        (b"\xff", "ASCII"),
    ],
)
def test_the_error_about_a_bad_file_names_the_line(tmp_path: Path, content: bytes, says: str) -> None:
    """The message never quotes the content."""
    path = tmp_path / "tokens"
    path.write_bytes(content)
    with pytest.raises(BadTokenFile) as bad:
        read_token_file(path)
    assert says in str(bad.value)
    assert not content.strip() or content.decode("latin-1") not in str(bad.value)


PATHS = [
    "/validate/{}",
    "https://h:1/mutate/{}?timeout=5s",
    'Post "https://h/validate/{}": refused',
    "segment '/mutate/{}'",
]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", [GOOD, "0123-abc", "A" * 43, "ü" * 30])
def test_no_error_of_the_api_server_contains_a_token(path: str, token: str) -> None:
    """The API server quotes the paths that it calls, and invalid values; truncated messages must not contain a token either."""
    for before in range(0, 400, 7):
        message = "x" * before + " " + path.format(token) + " " + "y" * 700
        assert token[:8] not in str(ApiError(500, message))
        assert token[-8:] not in str(ApiError(500, abbreviated(without_tokens(message))))
    assert str(ApiError(404, "GET /validate: 404, /mutate too")) == "GET /validate: 404, /mutate too"
