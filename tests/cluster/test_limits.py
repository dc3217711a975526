"""Tests the largest permitted policy file: the API server accepts and evaluates what catflap writes from it."""

from typing import Final

import pytest
import yaml

from tests.cluster.installation import NAMESPACE, WEBHOOKS, Installation, eventually
from tests.cluster.manifests import Json, deployment, namespace, pod
from tests.cluster.verdict_comparison import (
    BY_TWIN,
    SPACES,
    Verdicts,
    compare_verdicts,
    enable_admission_policy,
    try_out,
)
from tests.controlplane.client import MERGE
from tests.limits import fullest, key, space, values
from webhook.config.parse import parse
from webhook.controller.stored_endpoint import stored_endpoint
from webhook.controller.webhook_config_diff import merge_configuration
from webhook.controller.webhook_configurations import webhook_configurations
from webhook.kube.identity import registered_accounts
from webhook.kube.webhook_configurations import PHASES
from webhook.model.limits import MOST_ALIASES, MOST_REQUIRED, MOST_ROLES, MOST_VALUES
from webhook.model.policy import GuardPolicy

LAST: Final = MOST_ROLES - 1
OWN: Final = space(f"own-{LAST}")  # the one namespace where the last role may be used
STRICT, LENIENT, LABELLED = space("lab-98"), space("lab-99"), space("lab-1")  # by overrides; the last also by a label
APP: Final = [key("app"), *(key(f"app-{number}") for number in range(MOST_ALIASES))]
ROLE: Final = [key("role"), *(key(f"role-{number}") for number in range(MOST_ALIASES))]
REQUIRED: Final = [key(f"label-{number}") for number in range(MOST_REQUIRED)]
ROLES: Final = values("role", MOST_ROLES)
LISTED, MATCHED = values("value", MOST_VALUES)[-1], "a" * 63
FULL: Final = [
    pytest.param({"namespaces": "exempt"}, id="exempt namespaces"),
    pytest.param({"namespaces": "reserved", "patterns": True}, id="prefixes and patterns"),
    pytest.param({"namespaces": "overrides"}, id="overrides"),
]


def sound(further: str) -> dict[str, str]:
    """Return the labels that the file requires, by every accepted name."""
    return {**dict.fromkeys(APP, "web"), **dict.fromkeys(ROLE, ROLES[LAST]), **dict.fromkeys(REQUIRED, further)}


def but(labels: dict[str, str], *missing: str, **changed: str) -> dict[str, str]:
    """Return the labels without some, and with the last alias of app or role, or the last additional label, changed."""
    last = {"app": APP[-1], "role": ROLE[-1], "further": REQUIRED[-1]}
    rest = {one: value for one, value in labels.items() if one not in missing}
    return {**rest, **{last[name]: value for name, value in changed.items()}}


def fits(catflap: Installation, policy: GuardPolicy) -> bool:
    """Return whether both webhook configurations match the file."""
    for phase in PHASES:
        stored = catflap.cluster.api("GET", WEBHOOKS.format(phase))
        endpoint = stored_endpoint(stored, NAMESPACE)
        assert endpoint is not None
        wanted = {one["kind"]: one for one in webhook_configurations(policy, endpoint, registered_accounts(stored))}
        if merge_configuration(stored, wanted[f"{phase.capitalize()}WebhookConfiguration"]) != stored:
            return False
    return True


@pytest.mark.parametrize("full", FULL)
def test_the_rendered_objects_are_accepted_and_judge_as_catflap_does(apart: Installation, full: Json) -> None:
    """A Pod has every required label, at the end of every list."""
    apart.apply(namespace(LABELLED, **{key("tier-1"): "x" * 63}), check=True)
    for name in (OWN, SPACES[0], STRICT, LENIENT):
        apart.apply(namespace(name), check=True)
    policy = {"network": {"engine": "kubernetes"}, **fullest(**full)}
    good = sound(MATCHED if full.get("patterns") else LISTED)
    things = [
        pod("good", OWN, good),
        deployment("good", OWN, good),
        pod("two-apps", OWN, but(good, app="other")),
        pod("no-role-beside-the-role", OWN, but(good, role="other")),
        pod("appless", OWN, but(good, *APP)),
        pod("two-roles", OWN, but(good, role=ROLES[0])),
        pod("no-role", OWN, but(good, *ROLE[:-1], role="other")),
        pod("further", OWN, but(good, further="Other")),
        pod("elsewhere", STRICT, good),
        deployment("elsewhere", STRICT, good),
        pod("lenient", LENIENT, {}),
    ]
    found = list(compare_verdicts(apart, policy, things))
    admitted, refused = (
        Verdicts(offline=True, server=True, twin=True),
        Verdicts(offline=False, server=False, twin=False),
    )
    assert found == [admitted] * 4 + [refused] * 6 + [admitted]
    assert not try_out(apart, pod("lenient", LABELLED, {})).refused
    eventually(
        lambda: fits(
            apart, parse(yaml.safe_dump({"apiVersion": "catflap.dev/v1", "kind": "GuardPolicy", **policy})).policy
        )
    )


def test_an_existing_pod_is_judged_by_its_old_version(apart: Installation, namespace_name: str) -> None:
    """The slowest case: every label before is compared with every label after."""
    for name in (OWN, SPACES[0]):
        apart.apply(namespace(name), check=True)
    enable_admission_policy(apart, {"network": {"engine": "kubernetes"}, **fullest()})
    apart.apply(pod(namespace_name, OWN, sound(LISTED)), check=True)
    path = f"/api/v1/namespaces/{OWN}/pods/{namespace_name}"
    for changed, status in (({"x": "y"}, 200), ({ROLE[-1]: ROLES[0]}, 403), ({REQUIRED[-1]: None}, 403)):
        answer = apart.cluster.call("PATCH", path, {"metadata": {"labels": changed}}, content_type=MERGE)
        assert answer.status == status, answer.body
        assert (BY_TWIN in answer.body.get("message", "")) is (status == 403)
