"""`catflap check`, `catflap preview` and the servers give the same verdict on an object, also on the syntax of its labels."""

import json
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from tests.laws.strategies import FAMILIAR, LAW, ROLES, manifest, metadata, policies
from tests.reviews import Json, encoded
from webhook.admission.decide import decide
from webhook.admission.mutate import after_mutation
from webhook.cli._inputs import Inputs
from webhook.cli.check import CheckOptions, check_all
from webhook.cli.preview import PreviewOptions, preview_files
from webhook.model.kinds import POD_MAKERS, PodMaker
from webhook.model.policy import GuardPolicy
from webhook.model.steps import complete
from webhook.review.decode import decode

OWN: Final = "catflap-system"
UNREADABLE, REFUSED, ADMITTED = "unreadable", "refused", "admitted"
# apimachinery, pkg/util/validation: a second implementation of IsValidLabelValue and IsQualifiedName for this test.
VALUE: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
KEY: Final = re.compile(r"(?:[a-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
WRONG_TEXT: Final = ("~", "a b", "x" * 64, "-a", "a-", "a/b", "ä", "{{ .Values.app }}", "1e+21")
NO_TEXT: Final = (True, False, 1, 1.5)
values = st.sampled_from((*ROLES, "web", "", None)) | st.sampled_from(WRONG_TEXT) | st.sampled_from(NO_TEXT)
keys = st.sampled_from((*FAMILIAR, "tier", "a.example/b")) | st.sampled_from(("a b", "-x", "a/b/c"))
labels: st.SearchStrategy[Any] = st.dictionaries(keys, values, max_size=4) | st.none()
OTHERS: Final = (
    {"apiVersion": "v1", "kind": "ConfigMap"},
    {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"port": 80}]}},
    {"apiVersion": "example.com/v1", "kind": "Gadget", "spec": {}},
    {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {"podSelector": {}}},
    {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {"podSelector": {}, "ingress": [{}]}},
)


@st.composite
def objects(draw: st.DrawFn) -> tuple[Json, PodMaker | None]:
    """Generate an object with its own labels, and its kind of workload."""
    maker = draw(st.sampled_from(POD_MAKERS) | st.none())
    own: Json = {**draw(metadata), "namespace": draw(st.sampled_from(["shop", "shop", "kube-system", OWN]))}
    if maker is None or maker.template:
        own["labels"] = draw(labels)
    if maker is None:
        return {**draw(st.sampled_from(OTHERS)), "metadata": own}, None
    return manifest(maker, draw(labels), own), maker


def every_label(found: Json, maker: PodMaker | None) -> tuple[list[tuple[str, Any]], list[tuple[str, Any]]]:
    """Return the labels of the object itself, and those of its Pods."""
    template: Any = found
    for step in maker.template.split(".") if maker and maker.template else ():
        template = template[step]
    of_pods = template[maker.pod_metadata or "metadata"] if maker and maker.template else {}
    own, made = ((one.get("labels") or {}).items() for one in (found["metadata"], of_pods))
    return list(own), list(made)


def served(found: Json, maker: PodMaker | None, policy: GuardPolicy) -> str:
    """Return the verdict on the creation of the object: the API server's on the labels, and catflap's."""
    own, of_pods = every_label(found, maker)
    typed = [*own, *(of_pods if maker and not maker.custom else ())]
    if any(value is not None and not isinstance(value, str) for _, value in typed):
        return UNREADABLE
    # The API server accepts such a template of a custom resource, and then rejects its Pods.
    all_labels = [*own, *of_pods]
    if any(value is not None and not (isinstance(value, str) and VALUE.fullmatch(value)) for _, value in all_labels):
        return REFUSED
    if not all(KEY.fullmatch(key) for key, _ in all_labels):
        return REFUSED
    if maker is None and found["kind"] != "NetworkPolicy":
        return ADMITTED
    request = after_mutation(decode(encoded(found, namespace=found["metadata"]["namespace"])), policy)
    decided = complete(decide(request, policy, own_namespace=OWN, at=datetime.now(UTC)))
    return ADMITTED if decided.allowed else REFUSED


def checked(path: Path, policy: GuardPolicy) -> str:
    """Return the verdict of `catflap check`."""
    inputs = Inputs((str(path),))
    found = list(check_all(inputs, CheckOptions(policy, "default", OWN)))
    return verdict(inputs.complaints, is_refused=any(not one.decision.allowed for one in found))


def previewed(path: Path, policy: GuardPolicy) -> str:
    """Return the verdict of `catflap preview`."""
    found = preview_files(
        PreviewOptions(policy, None, before_in_cluster=False, namespaces=(), own_namespace=OWN, paths=(str(path),)),
        None,
    )
    return verdict(list(found.unseen), is_refused=found.has_result)


def verdict(complaints: list[str], *, is_refused: bool) -> str:
    """Return the result of a command as one word."""
    return UNREADABLE if complaints else REFUSED if is_refused else ADMITTED


@LAW
@given(objects(), policies())
def test_check_preview_and_server_agree(made: tuple[Json, PodMaker | None], policy: GuardPolicy) -> None:
    """This holds for all labels of an object, all namespaces, and all policy files."""
    found, maker = made
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "object.json"
        path.write_text(json.dumps(found), encoding="utf-8")
        assert checked(path, policy) == previewed(path, policy) == served(found, maker, policy)
