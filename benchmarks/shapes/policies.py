"""Specs of network policies, by API group: many rules, peers, ports, networks, and selectors that are long or deep."""

from collections.abc import Callable
from random import Random
from typing import Final

from benchmarks.shapes.values import Json, expression, network, one_in, selector, split, word
from webhook.model.kinds import CALICO, CALICO_STORAGE, PLAIN, POLICY_API

PORTS: Final = (1, 53, 80, 65535, "http")


def plain_spec(random: Random, size: int) -> Json:
    """The spec of Kubernetes' NetworkPolicy."""

    def peer(size: int) -> Json:
        match random.randrange(4):
            case 0:
                return {"namespaceSelector": {}}
            case 1:
                return {
                    "ipBlock": {
                        "cidr": network(random),
                        "except": [network(random)] * random.choice((0, 0, size // 20)),
                    }
                }
            case 2:
                return {"podSelector": selector(random, size // 2), "namespaceSelector": selector(random, size // 2)}
        return {"podSelector": selector(random, size)}

    def rule(size: int) -> Json:
        count, each = split(random, size // 2, each=30)
        ports = [{"port": random.choice(PORTS), "protocol": "TCP", "endPort": 65535} for _ in range(size // 100)]
        return {random.choice(("from", "to")): [peer(each) for _ in range(count)], "ports": ports}

    count, each = split(random, size, each=100)
    rules = [rule(each) for _ in range(count)]
    return {
        "podSelector": selector(random, random.choice((1, size))),
        "ingress": rules,
        "egress": rules[: len(rules) // 2],
    }


def calico_spec(random: Random, size: int) -> Json:
    """The spec of Calico's policies, tiers and network sets."""

    def entity(size: int) -> Json:
        count, _ = split(random, size, each=20)
        return {
            "selector": expression(random, random.choice((1, size))),
            "namespaceSelector": expression(random, random.choice((1, size // 4))),
            random.choice(("nets", "notNets")): [network(random) for _ in range(count)],
            "ports": [random.choice((80, "1:65535", "http")) for _ in range(size // 40)],
        }

    count, each = split(random, size, each=120)
    rules = [
        {
            "action": random.choice(("Allow", "allow", "Deny", "Pass")),
            "protocol": "TCP",
            "source": entity(each // 2),
            "destination": entity(each // 2),
        }
        for _ in range(count)
    ]
    nets = [network(random) for _ in range(size // 20)] if one_in(random, 5) else []
    return {
        "selector": expression(random, random.choice((1, size))),
        "types": ["Ingress", "Egress"],
        "ingress": rules,
        "egress": rules,
        "nets": nets,
    }


def admin_spec(random: Random, size: int) -> Json:
    """The spec of the policy API's kinds."""

    def peer(size: int) -> Json:
        match random.randrange(4):
            case 0:
                return {"namespaces": selector(random, size)}
            case 1:
                return {
                    "pods": {
                        "namespaceSelector": selector(random, size // 2),
                        "podSelector": selector(random, size // 2),
                    }
                }
            case 2:
                return {"networks": [network(random) for _ in range(1 + size // 20)]}
        return {"domainNames": [f"{word(random)}.example" for _ in range(1 + size // 20)]}

    def rule(size: int) -> Json:
        count, each = split(random, size // 2, each=40)
        ports = [{"portNumber": {"port": 80, "protocol": "TCP"}} for _ in range(size // 100)]
        return {
            "action": random.choice(("Accept", "Allow", "Deny")),
            random.choice(("from", "to")): [peer(each) for _ in range(count)],
            "ports": ports,
        }

    count, each = split(random, size, each=100)
    rules = [rule(each) for _ in range(count)]
    return {
        "tier": "Admin",
        "priority": 1,
        "subject": peer(random.choice((1, size))),
        "ingress": rules,
        "egress": rules,
    }


SPECS: Final[dict[str, Callable[[Random, int], Json]]] = {
    PLAIN: plain_spec,
    CALICO: calico_spec,
    CALICO_STORAGE: calico_spec,
    POLICY_API: admin_spec,
}
