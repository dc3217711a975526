"""`catflap selftest`: test whether a cluster judges Pods by a policy file."""

from pathlib import Path
from typing import Any, Final

import click

from webhook.cli._cluster_errors import describe
from webhook.cli._command import Verb
from webhook.cli._names import parse_labels
from webhook.cli._options import NAMESPACE, SingleOption, cluster_options, exit_with_errors, load_policy, policy_file
from webhook.cli._streams import print_warning
from webhook.cli.check import decide_offline
from webhook.kube.api import Api, ApiError, NoClusterError, connect_as_kubectl
from webhook.kube.paths import collection
from webhook.model.decision import Decision, Verdict
from webhook.model.fields import label_value
from webhook.model.policy import GuardPolicy
from webhook.review.manifests import read

FAILED: Final = 1
DENIED: Final = "denied the request: "  # kube-apiserver, pkg/admission/plugin/webhook/errors, ToStatusErr
# The requirements of the strictest Pod Security Standard, so that no other admission refuses the Pod.
SECURITY: Final = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}
NAME: Final = "catflap-selftest"
CONTAINER: Final = {
    "name": "none",
    "image": NAME,  # a dry run pulls no image
    "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    "resources": {"requests": {"cpu": "1m", "memory": "1Mi"}, "limits": {"cpu": "1m", "memory": "1Mi"}},
}


@click.command("selftest", cls=Verb)
@policy_file
@cluster_options
@click.option(
    "-n", "--namespace", cls=SingleOption, type=NAMESPACE, default="default", show_default=True,
    help="A namespace whose Pods catflap checks. The selftest stores nothing there.",
)  # fmt: skip
@click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE",
    help="A label of the valid Pod, if the policy file does not list its values; may be repeated.",
)  # fmt: skip
def verb(policy: Path, kubeconfig: str | None, context: str | None, namespace: str, labels: tuple[str, ...]) -> None:
    """Create a Pod with labels and a Pod without labels as dry runs; check that the first is admitted and the second is rejected.

    The exit code is 0 if both results agree with the policy file, 1 if a result does not, and 2 if a result is not known.
    """
    given = parse_labels("--label", labels, value=label_value)
    under = load_policy(policy).policy
    unlabelled = expected_decision(pod(namespace, {}), under)
    if unlabelled.verdict is Verdict.EXEMPT:
        exit_with_errors([f"{unlabelled.reason}, so catflap checks no Pod there; choose another namespace with -n"])
    fixed = {one.label: one.value or next(iter(one.choices), "") for one in unlabelled.fix}
    labelled = pod(namespace, {**fixed, **given})
    if not (found := expected_decision(labelled, under)).allowed:
        problems = (
            f"the policy file does not determine the labels of a valid Pod; pass them with --label: {found.message}"
        )
        exit_with_errors(problems.splitlines())
    try:
        api = connect_as_kubectl(kubeconfig, context)
        invalid = [
            *check_admission(api, labelled),
            *(check_refusal(api, unlabelled, namespace) if not unlabelled.allowed else []),
        ]
    except (NoClusterError, ApiError) as bad:
        exit_with_errors([describe(bad)])
    for line in invalid:
        print_warning(line)
    if invalid:
        raise SystemExit(FAILED)
    click.echo(f"a Pod with labels is admitted in namespace {namespace}")
    click.echo(
        "a Pod without labels is rejected"
        if not unlabelled.allowed
        else "the policy file does not reject Pods without labels there"
    )


def check_admission(api: Api, labelled: dict[str, Any]) -> list[str]:
    """Return the problems if a Pod with labels is rejected.  Raises ApiError if the result is unknown."""
    message = dry_run(api, labelled)
    return [f"a Pod with labels is rejected: {message}"] if message else []


def check_refusal(api: Api, unlabelled: Decision, namespace: str) -> list[str]:
    """Return the problems if catflap does not refuse a Pod without labels.  Raises ApiError if that is unknown."""
    message = dry_run(api, pod(namespace, {}))
    if not message:
        return [
            (
                f"a Pod without labels is admitted in namespace {namespace}: catflap is not registered, or uses "
                "another policy file"
            )
        ]
    first = unlabelled.message.partition("\n")[0]
    return [] if first in message else [f"a Pod without labels is rejected, but not by catflap: {message}"]


def dry_run(api: Api, body: dict[str, Any]) -> str:
    """Return the words of the refusal of a Pod, or "" if the Pod is admitted.  Raises ApiError for other failures."""
    try:
        api.try_create(collection("v1", "pods", body["metadata"]["namespace"]), body)
    except ApiError as error:
        if DENIED not in str(error):
            raise
        return str(error)
    return ""


def pod(namespace: str, labels: dict[str, str]) -> dict[str, Any]:
    """Return a Pod with labels."""
    metadata = {"name": NAME, "namespace": namespace, **({"labels": labels} if labels else {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"securityContext": SECURITY, "containers": [CONTAINER]},
    }


def expected_decision(body: dict[str, Any], policy: GuardPolicy) -> Decision:
    """Return the decision of the policy file on a Pod, as far as it is known without a cluster."""
    return decide_offline(read(body, default_namespace=body["metadata"]["namespace"]), policy)
