"""What several verbs are told, and how their words become values."""

from pathlib import Path

import click
import pytest

from webhook.cli._serving import AddressType, LocationType
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
    """As every program writes it."""
    assert AddressType().convert(text, None, None) == address
    assert AddressType().convert(address, None, None) == address


@pytest.mark.parametrize(
    "text", ["8443", "localhost", "localhost:", "localhost:http", "::1:8443", "a:65536", "a:-1", ""]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """With how it is written."""
    with pytest.raises(click.BadParameter, match="write HOST:PORT, an IPv6 host in brackets"):
        AddressType().convert(text, None, None)


def test_a_location_is_a_file_or_a_config_map() -> None:
    """By its prefix."""
    assert LocationType().convert("policy.yaml", None, None) == Path("policy.yaml")
    assert LocationType().convert("configmap:a/b", None, None) == ConfigMapRef("a", "b")
    with pytest.raises(click.BadParameter, match="write configmap:NAMESPACE/NAME"):
        LocationType().convert("configmap:a", None, None)
