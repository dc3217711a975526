"""Test which senders `serve` accepts as the API server, by its options."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from webhook.audit.record import utc_now
from webhook.bootstrap.sender_authentication import SenderAuthentication
from webhook.cli import serve as serving
from webhook.config.default import DEFAULT_POLICY
from webhook.tls.certificate_authority import issue_authority

TOKEN = "t" * 43


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Return a file for each option."""
    texts = {
        "policy": DEFAULT_POLICY,
        "tokens": TOKEN,
        "none": "",
        "ca": issue_authority(utc_now()).certificate.decode(),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="ascii")
    return {name: str(tmp_path / name) for name in texts}


def start_serve(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch, *arguments: str
) -> tuple[Any, SenderAuthentication | None]:
    """Return the verb's output, and the senders that the server starts with, if it starts."""
    found: list[SenderAuthentication] = []
    monkeypatch.setattr(serving, "run_server", lambda *_, trust, **__: found.append(trust))
    monkeypatch.setattr(serving, "check_addresses", lambda **_: None)
    monkeypatch.setattr(serving, "connect", lambda *_: type("Api", (), {"close": lambda _: None})())
    argv = ["--policy", files["policy"], "--tls-dir", str(Path(files["policy"]).parent / "tls")]
    result = CliRunner().invoke(serving.verb, [*argv, *(files.get(one, one) for one in arguments)])
    return result, found[0] if found else None


LOOPBACK = ("--listen", "127.0.0.1:1")


@pytest.mark.parametrize(
    ("arguments", "secret"),
    [
        ((), True),
        (("--listen", "0.0.0.0:8443"), True),
        (("--listen", "[::]:8443"), True),
        (("--listen", "10.0.0.1:8443"), True),
        (("--listen", "catflap.example:8443"), True),
        (("--listen", "localhost:8443"), False),
        (("--listen", "127.8.9.1:8443"), False),
        (("--listen", "[::1]:8443"), False),
        (("--standalone",), False),
        ((*LOOPBACK, "--secret-path"), True),
        (("--no-secret-path",), False),
        (("--standalone", "--no-secret-path"), False),
        (("--client-ca", "ca"), False),
        (("--path-token-file", "tokens"), False),
        (("--client-ca", "ca", "--no-secret-path"), False),
    ],
)
def test_secret_path_is_the_default_with_a_cluster_except_on_loopback(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], secret: bool
) -> None:
    """Another proof in the options also turns it off."""
    result, trust = start_serve(files, monkeypatch, *arguments)
    assert trust is not None, result.output
    assert trust.secret is secret


def test_each_proof_reaches_the_server(files: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The server receives the file and the names."""
    names = ("--client-name", "a", "--client-name", "b")
    assert start_serve(files, monkeypatch, "--client-ca", "ca", *names)[1] == SenderAuthentication(
        Path(files["ca"]), ("a", "b")
    )
    assert start_serve(files, monkeypatch, "--path-token-file", "tokens")[1] == SenderAuthentication(
        token_file=Path(files["tokens"])
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--client-name", "a"), "--client-name needs --client-ca"),
        (("--client-ca", "ca", "--path-token-file", "tokens"), "--client-ca excludes"),
        (("--client-ca", "ca", "--secret-path"), "--client-ca excludes"),
        (("--path-token-file", "tokens", "--secret-path"), "exclude each other"),
        (("--standalone", "--secret-path"), "--secret-path needs a cluster"),
        (("--client-ca", "/is/not/there"), "no such file; expected a CA certificate in PEM"),
        (("--path-token-file", "/is/not/there"), "no such file; expected a file of tokens"),
        (("--client-ca", "none"), "the file must contain CA certificates in PEM"),
        (("--client-ca", "tokens"), "the file must contain CA certificates in PEM"),
        (("--path-token-file", "none"), "expected at least one token"),
        (("--path-token-file", "policy"), ":1: expected 22 to 128 characters"),
    ],
)
def test_options_that_make_no_sense_end_the_command(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], says: str
) -> None:
    """The error precedes the creation of a certificate, has status 2, and quotes no token."""
    result, trust = start_serve(files, monkeypatch, *arguments)
    assert (result.exit_code, trust) == (2, None)
    assert says in result.output
    assert TOKEN not in result.output
