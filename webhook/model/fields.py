"""Types of the values in the policy file. Each rejects values that Kubernetes or Calico would reject."""

import ipaddress
import re
from collections import Counter
from datetime import date, datetime
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from webhook.model.labels import LABEL_NAME, LABEL_PREFIX
from webhook.model.limits import LONGEST_PRINCIPAL, MOST_PRINCIPALS

LONGEST_NAMESPACE = 63
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
RULE_ID = re.compile(r"[a-z]+(-[a-z]+)*")
# The name of a ServiceAccount (apimachinery, pkg/util/validation: DNS-1123 subdomain).
SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
PORT = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?/(TCP|UDP|SCTP)")
HIGHEST_PORT = 65535
PORT_FORMS = f"write 53/UDP, 9000/SCTP or 8000-8100/TCP, by number, from 1 to {HIGHEST_PORT}"
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Calico's limits on one rule (projectcalico.org/v3 schema, maxItems).
MOST_PORTS = 50
MOST_NETWORKS = 256
# IPv4 addresses as IPv6 (RFC 4291, 2.5.5.2); Go's net package takes them for IPv4, with a mask of 128 bits.
IPV4_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
MAPPED_PREFIX = IPV4_MAPPED.prefixlen
IPV4_BITS = 2**32 - 1
NETWORK_FORMS = "write 10.0.0.0/8 or fd00::/8"
DAY_FORM = "write it as 2027-01-31"
NO_DAY = "no_day"  # the type of the error for a value that is no text


def label_key(key: str) -> str:
    """Return a label key as Kubernetes takes it; raises ValueError otherwise."""
    prefix, slash, name = key.rpartition("/")
    if not LABEL_NAME.fullmatch(name) or (slash and not LABEL_PREFIX.fullmatch(prefix)):
        raise ValueError(
            f"{key!r} is no label key: [prefix.example/]name, the name of at most 63 letters, digits, '-_.'"
        )
    return key


def label_value(value: str) -> str:
    """Return a label value as Kubernetes takes it, and not empty; raises ValueError otherwise."""
    if not LABEL_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is no label value: 1 to 63 letters, digits, '-_.', alphanumeric at both ends")
    return value


def namespace_name(name: str) -> str:
    """Return a namespace's full name; raises ValueError otherwise."""
    if not DNS_LABEL.fullmatch(name):
        raise ValueError(f"{name!r} is no namespace name: lower-case letters, digits and '-', at most 63")
    return name


def namespace_pattern(pattern: str) -> str:
    """Return a namespace's full name, or a prefix that ends in a star; raises ValueError otherwise."""
    if not pattern.endswith("*"):
        return namespace_name(pattern)
    stem = pattern.removesuffix("*")
    if not DNS_LABEL.fullmatch(stem.rstrip("-")) or len(stem) > LONGEST_NAMESPACE:
        raise ValueError(
            f"{pattern!r} begins no namespace name: lower-case letters, digits and '-' before the star, at most 63"
        )
    return pattern


def rule_id(text: str) -> str:
    """Return a rule's id; raises ValueError otherwise."""
    if not RULE_ID.fullmatch(text):
        raise ValueError(f"{text!r} is no rule's id: lower-case words joined by hyphens")
    return text


def fits(pattern: str, name: str) -> bool:
    """Return whether a name is the one that a pattern says, or begins as it does up to its star."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def namespace_prefix(pattern: str) -> str:
    """Return a prefix of namespaces' names that ends in a star; raises ValueError otherwise."""
    if not pattern.endswith("*"):
        example = f"{pattern.rstrip('-')}-*"
        meant = example if DNS_LABEL.fullmatch(example[:-2]) and len(example) <= LONGEST_NAMESPACE else "kube-*"
        raise ValueError(f"{pattern!r} is no prefix: end it with a star, as in {meant}")
    return namespace_pattern(pattern)


def service_account_name(text: str) -> str:
    """Return a ServiceAccount as namespace/name; raises ValueError otherwise."""
    space, slash, name = text.partition("/")
    if not slash or not SUBDOMAIN.fullmatch(name):
        raise ValueError(f"{text!r} is no ServiceAccount: write namespace/name")
    namespace_name(space)
    return text


def principal(name: str) -> str:
    """Return the name of a user or of a group; raises ValueError otherwise."""
    if not 1 <= len(name) <= LONGEST_PRINCIPAL or not name.isprintable():
        raise ValueError(
            f"{name!r} names no user or group: write 1 to {LONGEST_PRINCIPAL} characters that can be printed"
        )
    return name


def cidr(text: str) -> str:
    """Return an IPv4 or IPv6 network with no host bits set; raises ValueError otherwise."""
    if "%" in text:
        raise ValueError(f"{text!r} has a zone, which means something on one node only; remove it with its %")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"{text!r} is no network: {NETWORK_FORMS}") from None
    address = ipaddress.ip_interface(text).ip
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(IPV4_MAPPED):
        meant = ipaddress.ip_network((int(network.network_address) & IPV4_BITS, network.prefixlen - MAPPED_PREFIX))
        raise ValueError(
            f"{text!r} is IPv4 in IPv6, which engines read in two ways: write it as IPv4; did you mean {meant}?"
        )
    if address != network.network_address:
        alone = "" if address in IPV4_MAPPED else f", or {address} for this address alone"
        raise ValueError(f"{text!r} is an address inside a network; did you mean {network}{alone}?")
    return str(network)


class PortRange(NamedTuple):
    """Ports of one protocol, from `first` to `last`, both among them."""

    protocol: str
    first: int
    last: int


def port_range(text: str) -> PortRange:
    """`53/UDP` or `8000-8100/TCP` in its parts; raises ValueError for anything else.

    By number, for Windows nodes skip a rule with a named port, and Calico keeps an IP set for each on Linux
    (felix/dataplane/windows/policysets).
    """
    match = PORT.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if match and first <= last <= HIGHEST_PORT:
        return PortRange(match[3], first, last)
    meant = f"did you mean {text.upper()}? " if text != text.upper() and is_port(text.upper()) else ""
    raise ValueError(f"{text!r} is no port: {meant}{PORT_FORMS}")


def is_port(text: str) -> bool:
    """Return whether a text is a port or a range of ports with its protocol."""
    try:
        port_range(text)
    except ValueError:
        return False
    return True


def port(text: str) -> str:
    """Return a port or a range of ports with its protocol; raises ValueError otherwise."""
    port_range(text)
    return text


def day(value: object) -> date:
    """Return a day as 2027-01-31; raises ValueError for anything else, which pydantic might take for a moment since 1970."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise PydanticCustomError(NO_DAY, "no day")  # its value is worded where the file's words are known
    if not DAY.fullmatch(value):
        raise ValueError(f"{value!r} is no day: {DAY_FORM}")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no day of the calendar: {DAY_FORM}") from None


def distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the values; raises ValueError for duplicates."""
    twice = sorted(str(value) for value, count in Counter(values).items() if count > 1)
    if twice:
        raise ValueError(f"listed more than once: {', '.join(twice)}")
    return values


LabelKey = Annotated[str, AfterValidator(label_key)]
LabelValue = Annotated[str, AfterValidator(label_value)]
NamespaceName = Annotated[str, AfterValidator(namespace_name)]
NamespacePattern = Annotated[str, AfterValidator(namespace_pattern)]
NamespacePrefix = Annotated[str, AfterValidator(namespace_prefix)]
ServiceAccountName = Annotated[str, AfterValidator(service_account_name)]
Principal = Annotated[str, AfterValidator(principal)]
Principals = Annotated[tuple[Principal, ...], Field(max_length=MOST_PRINCIPALS), AfterValidator(distinct)]
Cidr = Annotated[str, AfterValidator(cidr)]
Port = Annotated[str, AfterValidator(port)]
Day = Annotated[date, BeforeValidator(day, json_schema_input_type=date)]


class Node(BaseModel):
    """A mapping of the policy file: frozen, with camelCase keys, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=False)
