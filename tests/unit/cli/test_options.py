"""Test options that several verbs share, and the conversion of their texts to values."""

from pathlib import Path
from textwrap import indent
from typing import Final

import click
import pytest
from click.testing import CliRunner

from tests.unit.samples import HEAD
from webhook.cli import main
from webhook.cli._serve_options import AddressType, PolicyLocationType
from webhook.config.source import ConfigMapRef


@pytest.mark.parametrize(
    ("text", "address"),
    [
        pytest.param("127.0.0.1:8443", ("127.0.0.1", 8443), id="an address"),
        pytest.param("localhost:0", ("localhost", 0), id="any free port"),
        pytest.param(":8443", ("0.0.0.0", 8443), id="every address"),
        pytest.param("[::1]:8443", ("::1", 8443), id="IPv6"),
        pytest.param("[::]:8443", ("::", 8443), id="every address of IPv6"),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, address: tuple[str, int]) -> None:
    """The form is the usual one."""
    assert AddressType().convert(text, None, None) == address
    assert AddressType().convert(address, None, None) == address


@pytest.mark.parametrize(
    "text",
    [
        "8443",
        "localhost",
        "localhost:",
        "localhost:http",
        "::1:8443",
        "a:65536",
        "a:-1",
        "",
        "a:\u0663",
        "a b:1",
        "a..b:1",
        "\xfc.b:1",
        f"{'a' * 64}:1",
        "[a:1",
        "[a]:1",
        "[]:1",
    ],
)
def test_invalid_address_is_rejected(text: str) -> None:
    """The message says how to write an address."""
    with pytest.raises(click.BadParameter, match=r"write HOST:PORT, such as 0\.0\.0\.0:8443"):
        AddressType().convert(text, None, None)


def test_a_location_is_a_file_or_a_config_map() -> None:
    """The prefix decides."""
    assert PolicyLocationType().convert("policy.yaml", None, None) == Path("policy.yaml")
    assert PolicyLocationType().convert("configmap:a/b", None, None) == ConfigMapRef("a", "b")
    for text in ("configmap:a", "configmap:A/b", "configmap:a/b_c", "configmap:a/", "configmap:a/b/c"):
        with pytest.raises(click.BadParameter, match="write configmap:NAMESPACE/NAME"):
            PolicyLocationType().convert(text, None, None)


CONFIG_MAP: Final = (
    f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  policy.yaml: |\n{indent(HEAD, '    ')}"
)
BAD_LINE: Final = "    mode: loud\n"
POD: Final = "apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: a, role: data}}\nspec: {containers: []}\n"
# Each verb that reads a policy file once, and needs nothing else.
READERS: Final = {
    "check": ("check", "pod.yaml", "-c"),
    "preview": ("preview", "pod.yaml", "-c"),
    "preview against": ("preview", "-c", "good.yaml", "--against"),
    "render": ("render", "-n", "shop", "-c"),
    "config check": ("config", "check"),
    "config show": ("config", "show"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with a policy file, a ConfigMap and a Pod, in which the command runs."""
    monkeypatch.chdir(tmp_path)
    texts = {"good.yaml": HEAD, "map.yaml": CONFIG_MAP, "bad.yaml": CONFIG_MAP + BAD_LINE, "pod.yaml": POD}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "wide.yaml").write_bytes(CONFIG_MAP.encode("utf-16"))
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["good.yaml", "map.yaml", "wide.yaml", "-"])
def test_every_verb_accepts_each_form_of_a_policy_file(reader: str, name: str) -> None:
    """The forms are the file, the manifest of its ConfigMap, UTF-16, and standard input."""
    outcome = CliRunner().invoke(main, [*READERS[reader], name], input=CONFIG_MAP)
    assert (outcome.exit_code, outcome.stderr) == (0, "")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", ["bad.yaml", "-"])
def test_every_verb_reports_a_fault_with_its_place_in_the_manifest(reader: str, name: str) -> None:
    """The line is that of the user's file."""
    outcome = CliRunner().invoke(main, [*READERS[reader], name], input=CONFIG_MAP + BAD_LINE)
    assert f"{name}:8:5: mode: 'loud' is unknown" in outcome.output
    assert outcome.exit_code == (1 if reader == "config check" else 2)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("arguments", [("check", "-c", "-", "-"), ("preview", "-c", "-", "--against", "-")])
def test_standard_input_is_read_once(arguments: tuple[str, ...]) -> None:
    """A second read would find an empty input, and accept it as a file."""
    outcome = CliRunner().invoke(main, arguments, input=CONFIG_MAP)
    assert (outcome.exit_code, "standard input can be read only once" in outcome.stderr) == (2, True)


@pytest.mark.parametrize("verb", ["serve", "controller"])
def test_verbs_that_watch_a_file_reject_standard_input(verb: str) -> None:
    """Standard input would never change."""
    outcome = CliRunner().invoke(main, [verb, "-c", "-", *(["--tls-dir", "tls"] if verb == "serve" else [])])
    assert (outcome.exit_code, "standard input does not change; pass a file" in outcome.stderr) == (2, True)


def test_a_context_needs_a_kubeconfig(folder: Path) -> None:
    """The Pod's own ServiceAccount is the default."""
    outcome = CliRunner().invoke(main, ["controller", "-c", str(folder / "good.yaml"), "--context", "a"])
    assert (outcome.exit_code, "--context needs --kubeconfig" in outcome.stderr) == (2, True)
