"""What other people's policies let through: each kind of object to openings, without a word on whether they should."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from webhook.model.kinds import CALICO, CALICO_STORAGE, POLICY_API
from webhook.model.traffic import Opening
from webhook.netpol.reading import calico, cluster, kubernetes

Reader = Callable[[Any], tuple[Opening, ...]]

READERS: Mapping[tuple[str, str], Reader] = {
    ("networking.k8s.io", "networkpolicies"): kubernetes.openings,
    **{
        (group, resource): reader
        for group in (CALICO, CALICO_STORAGE)
        for resource, reader in (
            ("networkpolicies", calico.openings),
            ("globalnetworkpolicies", calico.global_openings),
            ("tiers", calico.tier_openings),
        )
    },
    (POLICY_API, "clusternetworkpolicies"): cluster.openings,
    (POLICY_API, "adminnetworkpolicies"): cluster.openings,
}


class Unreadable(Exception):  # noqa: N818 (the policy is, not the program)
    """A policy that is not made as its API says; the message says where."""


def read(resource: tuple[str, str], source: Any) -> tuple[Opening, ...]:
    """What an object of a resource (API group, plural) lets through; nothing where it lets nothing through by itself.

    `source` is the object as plain dicts and lists. Raises Unreadable.
    """
    reader = READERS.get(resource)
    try:
        return reader(source) if reader else ()
    except (msgspec.ValidationError, ValueError) as bad:
        raise Unreadable(str(bad)) from bad
