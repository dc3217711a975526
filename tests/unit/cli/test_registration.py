"""Test `catflap registration`, which prints the webhook configurations."""

import base64
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.unit.samples import HEAD, policy
from webhook.cli import main
from webhook.controller.webhook_configurations import Endpoint, webhook_configurations
from webhook.kube.webhook_path import registered_tokens
from webhook.tls.certificate_authority import issue_authority

AUTHORITY = issue_authority(datetime(2026, 1, 1, tzinfo=UTC))
CA = AUTHORITY.certificate
BUNDLE = base64.b64encode(CA).decode("ascii")


def run(folder: Path, *arguments: str) -> Result:
    """Run the verb under the default policy, with a CA."""
    (folder / "policy.yaml").write_text(HEAD, encoding="utf-8")
    (folder / "ca.crt").write_bytes(CA)
    files = ["-c", str(folder / "policy.yaml"), "--ca", str(folder / "ca.crt")]
    return CliRunner().invoke(main, ["registration", *files, *arguments])


@pytest.mark.parametrize(
    ("arguments", "endpoint"),
    [
        pytest.param(
            ["--url", "https://127.0.0.1:8443"],
            Endpoint(BUNDLE, "catflap-system", url="https://127.0.0.1:8443"),
            id="an address",
        ),
        pytest.param(
            ["--url", "https://hooks.example.com/"],
            Endpoint(BUNDLE, "catflap-system", url="https://hooks.example.com"),
            id="an address that ends in a slash",
        ),
        pytest.param(
            ["--url", "https://[::1]:8443"], Endpoint(BUNDLE, "catflap-system", url="https://[::1]:8443"), id="IPv6"
        ),
        pytest.param(["--service", "guards/flap"], Endpoint(BUNDLE, "guards", service="flap"), id="a Service"),
        pytest.param(
            ["--service", "guards/flap:8443"], Endpoint(BUNDLE, "guards", service="flap", port=8443), id="another port"
        ),
    ],
)
def test_the_configurations_are_printed(tmp_path: Path, arguments: list[str], endpoint: Endpoint) -> None:
    """The output is for kubectl apply."""
    outcome = run(tmp_path, *arguments)
    assert outcome.exit_code == 0, outcome.output
    assert list(yaml.safe_load_all(outcome.stdout)) == list(webhook_configurations(policy(), endpoint))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param([], "pass either --url or --service", id="neither"),
        pytest.param(["--url", "https://a", "--service", "a/b"], "pass either --url or --service", id="both"),
        pytest.param(["--url", "http://a"], "--url http://a: write https://HOST:PORT", id="no TLS"),
        pytest.param(["--url", "a:8443"], "--url a:8443: write https://HOST:PORT", id="no scheme"),
        pytest.param(["--url", "https://"], "--url https://: write https://HOST:PORT", id="no host"),
        pytest.param(["--url", "https://a?b"], "--url https://a?b: write https://HOST:PORT", id="a query"),
        pytest.param(["--url", "https://u:p@a"], "--url https://u:p@a: write https://HOST:PORT", id="a password"),
        pytest.param(["--url", "https://[::1"], "--url https://[::1: write https://HOST:PORT", id="half an address"),
        pytest.param(["--url", "https://a:99999"], "--url https://a:99999: write https://HOST:PORT", id="no such port"),
        pytest.param(["--url", ""], "--url '': write https://HOST:PORT", id="an empty address"),
        pytest.param(["--url", "https://a b:1"], "--url https://a b:1: write https://HOST:PORT", id="a space"),
        pytest.param(["--url", "https://a..b"], "--url https://a..b: write https://HOST:PORT", id="an empty label"),
        pytest.param(["--url", "https://\xe4.b"], "--url https://\xe4.b: write https://HOST:PORT", id="no ASCII"),
        pytest.param(["--service", ""], "--service '': write NAMESPACE/NAME", id="an empty Service"),
        pytest.param(["--service", "A/b"], "--service A/b: write NAMESPACE/NAME", id="a namespace in capitals"),
        pytest.param(["--service", "a/b c"], "--service a/b c: write NAMESPACE/NAME", id="a name with a space"),
        pytest.param(["--service", "a/" + "b" * 64], "--service a/bbb", id="a name that is too long"),
        pytest.param(["--service", "a/b:\u0663"], "--service a/b:\u0663: write NAMESPACE/NAME", id="another digit"),
        pytest.param(["--service", "a"], "--service a: write NAMESPACE/NAME", id="no namespace"),
        pytest.param(["--service", "a/"], "--service a/: write NAMESPACE/NAME", id="no name"),
        pytest.param(["--service", "a/b/c"], "--service a/b/c: write NAMESPACE/NAME", id="too many parts"),
        pytest.param(["--service", "a/b:c"], "--service a/b:c: write NAMESPACE/NAME", id="a named port"),
        pytest.param(["--service", "a/b:0"], "--service a/b:0: write NAMESPACE/NAME", id="port 0"),
        pytest.param(["--service", "a/b:65536"], "--service a/b:65536: write NAMESPACE/NAME", id="a port too high"),
    ],
)
def test_value_that_the_api_server_rejects_is_rejected(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    """The message says how to write the value."""
    outcome = run(tmp_path, *arguments)
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith(f"catflap: {complaint}")
    assert outcome.stdout == ""


@pytest.mark.parametrize("where", [("--url", "https://127.0.0.1:8443"), ("--service", "guards/flap")])
def test_the_path_has_the_first_token_of_a_file(tmp_path: Path, where: tuple[str, str]) -> None:
    """The server accepts each token, so that an admin can replace one by another."""
    (tmp_path / "tokens").write_text(f"{'a' * 40}\n{'b' * 40}\n", encoding="ascii")
    outcome = run(tmp_path, *where, "--path-token-file", str(tmp_path / "tokens"))
    entries = [entry for one in yaml.safe_load_all(outcome.output) for entry in one["webhooks"]]
    assert registered_tokens({"webhooks": entries}) == {"a" * 40}


@pytest.mark.parametrize("content", ["", "short"])
def test_a_file_without_a_token_ends_the_command(tmp_path: Path, content: str) -> None:
    """Without a token the path would be the plain one."""
    (tmp_path / "tokens").write_text(content, encoding="ascii")
    outcome = run(tmp_path, "--url", "https://h:1", "--path-token-file", str(tmp_path / "tokens"))
    assert (outcome.exit_code, "expected" in outcome.output) == (2, True)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        pytest.param(b"", "the file is empty", id="empty"),
        pytest.param(b"kind: Pod\n", "it is not PEM", id="a manifest"),
        pytest.param(AUTHORITY.key, "it contains", id="the key instead of the certificate"),
        pytest.param(CA + AUTHORITY.key, "and catflap would publish it", id="the key behind the certificate"),
        pytest.param(CA.replace(b"MII", b"XXX"), "is damaged", id="a damaged certificate"),
        pytest.param(CA[:60], "its last line is missing", id="a truncated certificate"),
    ],
)
def test_only_certificates_are_published(tmp_path: Path, content: bytes, complaint: str) -> None:
    """Every user of a cluster may read the configurations, and the API server refuses a bundle without a certificate."""
    (tmp_path / "other.crt").write_bytes(content)
    (tmp_path / "policy.yaml").write_text(HEAD, encoding="utf-8")
    arguments = ["-c", str(tmp_path / "policy.yaml"), "--ca", str(tmp_path / "other.crt"), "--url", "https://a"]
    outcome = CliRunner().invoke(main, ["registration", *arguments])
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr.startswith(f"catflap: --ca {tmp_path / 'other.crt'}: ")
    assert complaint in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--turn-on", "--url", "https://a"], "--turn-on takes no other options"),
        (["--turn-on", "--account", "a"], "--turn-on takes no other options"),
        (["-n", "guards"], "-n/--namespace has an effect only with --turn-on"),
        (["--kubeconfig", "a"], "--kubeconfig and --context have an effect only with --turn-on or --account -"),
        (["--context", "a", "--account", "b"], "--kubeconfig and --context have an effect only with --turn-on"),
    ],
)
def test_option_without_effect_is_rejected(arguments: list[str], complaint: str) -> None:
    """A user who gives it expects something of it."""
    outcome = CliRunner().invoke(main, ["registration", *arguments])
    assert (outcome.exit_code, outcome.stderr.startswith(f"catflap: {complaint}")) == (2, True)
