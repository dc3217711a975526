"""Types of the values in the policy file. Each rejects values that Kubernetes or Calico would reject."""

import ipaddress
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WrapValidator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from webhook.model.distinct_values import distinct
from webhook.model.labels import LABEL_NAME, LABEL_PREFIX
from webhook.model.limits import LONGEST_PRINCIPAL, MOST_PRINCIPALS

LONGEST_NAMESPACE = 63
DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
RULE_ID = re.compile(r"[a-z]+(-[a-z]+)*")
# The name of a ServiceAccount (apimachinery, pkg/util/validation: DNS-1123 subdomain).
SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
PORT = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?/(TCP|UDP|SCTP)")
HIGHEST_PORT = 65535
PORT_FORMS = f"write 53/UDP, 9000/SCTP or 8000-8100/TCP, with port numbers from 1 to {HIGHEST_PORT}"
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Calico's limits on one rule (projectcalico.org/v3 schema, maxItems).
MOST_PORTS = 50
MOST_NETWORKS = 256
# IPv4 addresses as IPv6 (RFC 4291, 2.5.5.2); Go's net package takes them for IPv4, with a mask of 128 bits.
IPV4_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
MAPPED_PREFIX = IPV4_MAPPED.prefixlen
IPV4_BITS = 2**32 - 1
LONGEST_YEAR = 4  # digits
NETWORK_FORMS = "write 10.0.0.0/8 or fd00::/8"
DAY_FORM = "write YYYY-MM-DD, such as 2027-01-31"
NO_DAY = "no_day"  # the type of the error for a value that is no text
EMPTY = "the text is empty; expected "
ONE_NAME = "; this key takes one name without a star"
CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
SEPARATORS = re.compile(r"[\s_-]+")
# How people write a ServiceAccount: as its user name, or with another character between namespace and name.
ACCOUNT_FORMS = re.compile(r"(?:system:serviceaccount:)?([^:./]+)[:./]([^:/]+)")


def proposal(check: Callable[[str], object], text: str, *candidates: str) -> str:
    """Return the first candidate that a check takes, as the end of a sentence; empty where it takes none but the text itself."""
    for one in candidates:
        if one == text:
            continue
        try:
            check(one)
        except ValueError:
            continue
        return f"; did you mean {one!r}?"
    return ""


def joined(text: str) -> str:
    """Return the words of a text joined by hyphens, as names have them."""
    return "-".join(part for part in SEPARATORS.split(text) if part)


def label_key(key: str) -> str:
    """Return a label key as Kubernetes takes it; raises ValueError otherwise."""
    prefix, slash, name = key.rpartition("/")
    if not LABEL_NAME.fullmatch(name) or (slash and not LABEL_PREFIX.fullmatch(prefix)):
        form = "[prefix.example/]name, where name has at most 63 letters, digits and '-_.'"
        raise ValueError(f"{key!r} is not a valid label key: expected {form}" if key else f"{EMPTY}a label key: {form}")
    return key


def label_value(value: str) -> str:
    """Return a label value as Kubernetes takes it, and not empty; raises ValueError otherwise."""
    if not LABEL_NAME.fullmatch(value):
        form = "1 to 63 letters, digits and '-_.', with a letter or digit at both ends"
        raise ValueError(
            f"{value!r} is not a valid label value: expected "
            f"{form}{proposal(label_value, value, '-'.join(value.split()))}"
            if value
            else f"{EMPTY}a label value: {form}"
        )
    return value


def namespace_name(name: str) -> str:
    """Return a namespace's full name; raises ValueError otherwise."""
    if DNS_LABEL.fullmatch(name):
        return name
    form = f"lower-case letters, digits and '-', at most {LONGEST_NAMESPACE}"
    if not name:
        raise ValueError(f"{EMPTY}a namespace name: {form}")
    meant = ONE_NAME if "*" in name else proposal(namespace_name, name, joined(name).lower())
    raise ValueError(f"{name!r} is not a valid namespace name: expected {form}{meant}")


def namespace_pattern(pattern: str) -> str:
    """Return a namespace's full name, or a prefix that ends in a star; raises ValueError otherwise."""
    if "*" not in pattern:
        return namespace_name(pattern)
    stem = pattern.removesuffix("*")
    if "*" in stem or not pattern.endswith("*"):
        raise ValueError(f"{pattern!r} is not a valid prefix: the star must be the last character, as in team-*")
    if not stem:
        raise ValueError(f"{pattern!r} matches every namespace; write a prefix before the star, as in team-*")
    if not DNS_LABEL.fullmatch(stem.rstrip("-")) or len(stem) > LONGEST_NAMESPACE:
        raise ValueError(
            f"{pattern!r} is not a valid prefix: expected at most 63 lower-case letters, digits and '-' before the star"
        )
    return pattern


def rule_id(text: str) -> str:
    """Return a rule's id; raises ValueError otherwise."""
    if RULE_ID.fullmatch(text):
        return text
    form = "lower-case words joined by hyphens"
    if not text:
        raise ValueError(f"{EMPTY}a rule id: {form}")
    meant = proposal(rule_id, text, joined(CAPITAL.sub("-", text)).lower())
    raise ValueError(f"{text!r} is not a valid rule id: expected {form}{meant}")


def fits(pattern: str, name: str) -> bool:
    """Return whether a name is the one that a pattern says, or begins as it does up to its star."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def namespace_prefix(pattern: str) -> str:
    """Return a prefix of namespaces' names that ends in a star; raises ValueError otherwise."""
    if not pattern.endswith("*"):
        example = f"{pattern.rstrip('-')}-*"
        meant = example if DNS_LABEL.fullmatch(example[:-2]) and len(example) <= LONGEST_NAMESPACE else "kube-*"
        raise ValueError(f"{pattern!r} is not a prefix: end it with a star, as in {meant}")
    return namespace_pattern(pattern)


def service_account_name(text: str) -> str:
    """Return a ServiceAccount as namespace/name; raises ValueError otherwise."""
    space, slash, name = text.partition("/")
    if slash and DNS_LABEL.fullmatch(space) and SUBDOMAIN.fullmatch(name):
        return text
    if not text:
        raise ValueError(f"{EMPTY}a ServiceAccount as namespace/name")
    parts = ACCOUNT_FORMS.fullmatch(text)
    meant = proposal(service_account_name, text, *([f"{joined(parts[1]).lower()}/{parts[2].lower()}"] if parts else []))
    example = "argocd/server" if parts or SUBDOMAIN.fullmatch(text) is None else f"NAMESPACE/{text}"
    raise ValueError(f"{text!r} is not a valid ServiceAccount: write namespace/name{meant or f', such as {example}'}")


def principal(name: str) -> str:
    """Return the name of a user or of a group; raises ValueError otherwise."""
    if not name:
        raise ValueError(f"{EMPTY}the name of a user or of a group")
    if not 1 <= len(name) <= LONGEST_PRINCIPAL or not name.isprintable():
        raise ValueError(
            f"{name!r} is not a valid user or group name: write 1 to {LONGEST_PRINCIPAL} printable characters"
        )
    return name


def cidr(text: str) -> str:
    """Return an IPv4 or IPv6 network with no host bits set; raises ValueError otherwise."""
    if "%" in text:
        raise ValueError(f"{text!r} has a zone, which is valid on one node only; remove the % and the zone")
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a valid network: {NETWORK_FORMS}" if text else f"{EMPTY}a network: {NETWORK_FORMS}"
        ) from None
    address = ipaddress.ip_interface(text).ip
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(IPV4_MAPPED):
        meant = ipaddress.ip_network((int(network.network_address) & IPV4_BITS, network.prefixlen - MAPPED_PREFIX))
        raise ValueError(
            f"{text!r} is an IPv4 network in IPv6 form, which network engines interpret differently: write it as "
            f"IPv4; did you mean {meant}?"
        )
    if address != network.network_address:
        alone = "" if address in IPV4_MAPPED else f", or {address} for this single address"
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
    if not text:
        raise ValueError(f"{EMPTY}a port: {PORT_FORMS}")
    upper = "".join(text.upper().split())
    candidates = (upper, f"{upper}/TCP", upper.replace(":", "/"), "/".join(reversed(re.split("[/:]", upper))))
    meant = next(
        (f"did you mean {one}? " for one in candidates if PORT.fullmatch(one) and one != text and is_port(one)), ""
    )
    raise ValueError(f"{text!r} is not a valid port: {meant}{PORT_FORMS}")


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
    if not value:
        raise ValueError(f"{EMPTY}a date: {DAY_FORM}")
    if not DAY.fullmatch(value):
        raise ValueError(
            f"{value!r} is not a valid date: {DAY_FORM}{proposal(date.fromisoformat, value, *other_days(value))}"
        )
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} does not exist in the calendar: {DAY_FORM}") from None


def other_days(text: str) -> list[str]:
    """Return what may be meant by a day in another form: 2027-1-5, 31.12.2027, or the day of a time."""
    numbers = re.findall(r"\d+", text.partition("T")[0])
    if len(numbers) != 3:  # noqa: PLR2004 (year, month and day)
        return []
    year, month, day_ = numbers if len(numbers[0]) == LONGEST_YEAR else reversed(numbers)
    return [f"{year}-{month:0>2}-{day_:0>2}"] if len(year) == LONGEST_YEAR and "/" not in text else []


LabelKey = Annotated[str, AfterValidator(label_key)]
LabelValue = Annotated[str, AfterValidator(label_value)]
NamespaceName = Annotated[str, AfterValidator(namespace_name)]
NamespacePattern = Annotated[str, AfterValidator(namespace_pattern)]
NamespacePrefix = Annotated[str, AfterValidator(namespace_prefix)]
ServiceAccountName = Annotated[str, AfterValidator(service_account_name)]
Principal = Annotated[str, AfterValidator(principal)]
Principals = Annotated[tuple[Principal, ...], Field(max_length=MOST_PRINCIPALS), WrapValidator(distinct)]
Cidr = Annotated[str, AfterValidator(cidr)]
Port = Annotated[str, AfterValidator(port)]
Day = Annotated[date, BeforeValidator(day, json_schema_input_type=date)]


class Node(BaseModel):
    """A mapping of the policy file: frozen, with camelCase keys, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=False)

    def without_overridden_defaults(self) -> Self:
        """Return this mapping without the defaults that give way to another key of it; keys may be missing in a file with faults."""
        return self
