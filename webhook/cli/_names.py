"""Values of options that name something outside: a host, a Service, a label; each is checked before it is used."""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import click

from webhook.cli._options import EMPTY_TEXT, FileName, exit_with_errors
from webhook.files import STDIN
from webhook.model.fields import HIGHEST_PORT, label_key

# A name of the DNS; an underscore is no part of a host name, but resolvers accept it.
HOST: Final = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?)*"
)
PORT: Final = re.compile(r"[0-9]{1,5}")


def is_host(text: str) -> bool:
    """Return whether a text is an address or can be a host name; other texts fail only inside the libraries."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return HOST.fullmatch(text) is not None
    return True


def is_port(text: str, least: int = 1) -> bool:
    """Return whether a text is the number of a port, in the digits that Kubernetes reads."""
    return PORT.fullmatch(text) is not None and least <= int(text) <= HIGHEST_PORT


class HostType(click.ParamType[str]):
    """A host name or an address, as a certificate contains it; the first label of a name may be a star."""

    name = "HOST"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name or the address."""
        text = str(value)
        if not is_host(text.removeprefix("*.")):
            self.fail(
                EMPTY_TEXT
                if not text
                else f"{text!r} is not a host name or an address, such as hooks.example.com or 10.0.0.7",
                param,
                ctx,
            )
        return text


class LogFileName(FileName):
    """The file of an audit log to write, which has no sign for standard output."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        if value == STDIN:
            self.fail("records go to standard output without this option; leave it out, or pass a file", param, ctx)
        return super().convert(value, param, ctx)


def parse_labels(
    option: str, words: Iterable[str], *, value: Callable[[str], object] = lambda _: None
) -> Mapping[str, str]:
    """Return KEY=VALUE words as labels or annotations; words that the API server would refuse end the command.

    `value` may raise ValueError.
    """
    found: dict[str, str] = {}
    faults = []
    for word in words:
        name, equals, text = word.partition("=")
        if not (name and equals):
            faults.append(f"{option} {word or repr(word)}: write KEY=VALUE")
        elif name in found:
            faults.append(f"{option} {word}: the key {name} occurs twice; use it once")
        else:
            found[name] = text
            for check, part in ((label_key, name), (value, text)):
                try:
                    check(part)
                except ValueError as bad:
                    faults.append(f"{option} {word}: {bad}")
    if faults:
        exit_with_errors(faults)
    return found
