"""Tests that the largest permitted policy file renders objects below the API server's limits.

A real API server shows that it accepts and evaluates them (tests/cluster/test_limits.py).
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import pytest

from tests.limits import fullest
from webhook.config.parse import parse
from webhook.controller.admission_policy import admission_policy
from webhook.controller.webhook_configurations import Endpoint, webhook_configurations
from webhook.model.fields import LONGEST_NAMESPACE

LONGEST_EXPRESSION: Final = 100_000  # cel-go, parser, expressionSizeCodePointLimit
LARGEST_OBJECT: Final = 1_572_864  # etcd, --max-request-bytes; the stored object has some more lines
ROOM: Final = 50_000
OWN: Final = "o" * LONGEST_NAMESPACE


def expressions(found: Any) -> Iterator[str]:
    """Yield every expression in an object."""
    if isinstance(found, dict):
        yield from (one for key, one in found.items() if key == "expression")
    for inner in found.values() if isinstance(found, dict) else found if isinstance(found, list) else ():
        yield from expressions(inner)


@pytest.mark.parametrize("patterns", [False, True], ids=["lists", "patterns"])
@pytest.mark.parametrize("namespaces", ["exempt", "reserved", "overrides", "claims", "exceptions"])
def test_a_file_at_its_limits_makes_nothing_too_long(namespaces: str, *, patterns: bool) -> None:
    """This holds for any own namespace."""
    head = {"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy"}
    full = parse(json.dumps({**head, **fullest(namespaces=namespaces, patterns=patterns)})).policy
    endpoint = Endpoint(ca_bundle="Q0E=", namespace=OWN, service="catflap")
    written = [
        *webhook_configurations(full, endpoint),
        *admission_policy(full, own_namespace=OWN, at=datetime.now(UTC)),
    ]
    for one in written:
        assert max(map(len, expressions(one)), default=0) <= LONGEST_EXPRESSION
        assert len(json.dumps(one)) < LARGEST_OBJECT - ROOM
    assert max(len(said) for one in written for said in expressions(one)) > LONGEST_EXPRESSION * 0.8
