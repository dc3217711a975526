"""The traffic that one rule of a user's network policy allows: a set of peers and a set of ports.

A rule with 3,000 peers and 3,000 ports has these 6,000 entries, and never their product.
"""

from enum import StrEnum

from msgspec import Struct

from webhook.model.addresses import NO_ADDRESS, Addresses
from webhook.model.ports import EVERY_PORT, Ports, listed
from webhook.model.selector import EVERYTHING, Selector
from webhook.model.traffic import Direction

LONGEST_TEXT = 160  # characters of one selector in a message


class Grammar(StrEnum):
    """The API of a rule, which decides how its selectors read labels.

    Calico looks for labels of a Pod's namespace among the Pod's own, under a prefix, and its selectors select network
    sets as well (libcalico-go, lib/backend/syncersv1/updateprocessors). For all others a Pod has its own labels alone.
    """

    KUBERNETES = "Kubernetes"
    CALICO = "Calico"


class Selected(Struct, frozen=True):
    """Pods by their labels, in the namespaces that `namespaces` selects; None: in the policy's own.

    `within` are addresses that a Pod must have as well, where the rule names some.
    """

    labels: Selector = EVERYTHING
    namespaces: Selector | None = None
    within: Addresses | None = None

    def __str__(self) -> str:
        spaces = " of the namespace"
        if self.namespaces is not None:
            known = self.namespaces == EVERYTHING
            spaces = " of every namespace" if known else f" of namespaces with {text_of(self.namespaces)}"
        return f"{pods_text(self.labels)}{spaces}"


class Peers(Struct, frozen=True):
    """The peers of one rule: the union of these.

    `everybody` is a rule without any peer. `networks` are the addresses that its networks leave after exceptions, and
    `written` what the rule says of them. `named` are peers that no label of a Pod describes: a Service, nodes, domains.
    """

    everybody: bool = False
    networks: Addresses = NO_ADDRESS
    written: tuple[str, ...] = ()
    selected: tuple[Selected, ...] = ()
    named: tuple[str, ...] = ()

    def without(self, others: "Peers | None") -> "Peers | None":
        """Return these peers without some others; None if none is left."""
        if others is None:
            return self
        if others.everybody:
            return None
        skipped = frozenset(others.selected)
        networks, written = (NO_ADDRESS, ()) if others.networks else (self.networks, self.written)
        selected = tuple(one for one in self.selected if one not in skipped)
        left = Peers(networks=networks, written=written, selected=selected, named=self.named)
        return left if networks or selected or self.named else None

    def __str__(self) -> str:
        if self.everybody:
            return "anywhere"
        return listed([*self.written, *map(str, self.selected), *self.named], "no peer")


EVERYBODY = Peers(everybody=True)


class Opening(Struct, frozen=True):
    """The traffic that one rule allows to or from the Pods that `subject` selects; `path` is the field path of the rule."""

    path: str
    direction: Direction
    subject: Selected
    peers: Peers
    ports: Ports = EVERY_PORT
    grammar: Grammar = Grammar.KUBERNETES

    @property
    def subject_text(self) -> str:
        """Return a description of the Pods that the rule applies to."""
        pods = pods_text(self.subject.labels)
        spaces = self.subject.namespaces
        return pods if spaces is None or spaces == EVERYTHING else f"{pods} of namespaces with {text_of(spaces)}"


def pods_text(labels: Selector) -> str:
    """Return a description of the selected Pods."""
    return "every Pod" if labels == EVERYTHING else f"Pods with {text_of(labels)}"


def text_of(selector: Selector | None) -> str:
    """Return a selector's text, cut if it is long."""
    try:
        text = str(selector)
    except ValueError as bad:  # a value with both kinds of quotes, which no API server stores
        text = str(bad)
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"
