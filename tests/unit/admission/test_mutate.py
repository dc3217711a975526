"""Labels that the mutating phase writes."""

from typing import Any

import pytest

from tests.reviews import GOOD, Json, deployment, namespace, pod
from tests.unit.samples import asked, policy
from webhook.admission.mutate import mutate
from webhook.model.decision import Decision, Verdict
from webhook.model.reason import Reason, ReasonCode

NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"
NOTHING = Decision(Reason(ReasonCode.NO_LABELS_TO_ADD))


def adding(labels: dict[str, str]) -> Decision:
    """The decision that adds these labels."""
    return Decision(Reason(ReasonCode.LABELS_ADDED), labels=labels) if labels else NOTHING


def amended(manifest: Json | None, text: str = "", **options: Any) -> Decision:
    """Return the decision of the mutating phase on a review, catflap running in `guards`."""
    return mutate(asked(manifest, **options), policy(text), own_namespace="guards")


class TestFilling:
    """The plain label if only an alias is set."""

    @pytest.mark.parametrize(
        ("labels", "filled"),
        [
            pytest.param({NAME: "web", COMPONENT: "frontend"}, {"app": "web", "role": "frontend"}, id="both"),
            pytest.param({NAME: "web", "role": "frontend"}, {"app": "web"}, id="the application only"),
            pytest.param({"app": "web", COMPONENT: "data"}, {"role": "data"}, id="the role only"),
            pytest.param({"k8s-app": "web"}, {"app": "web"}, id="the second alias"),
            pytest.param({"k8s-app": "a", NAME: "a"}, {"app": "a"}, id="two aliases that agree"),
            pytest.param({"k8s-app": "b", NAME: "a"}, {}, id="two aliases, with one of which the label would disagree"),
            pytest.param(GOOD, {}, id="nothing to fill"),
            pytest.param({}, {}, id="nothing to fill from"),
            pytest.param({**GOOD, NAME: "x", COMPONENT: "data"}, {}, id="what stands is not written over"),
            pytest.param({"app": "", NAME: "web"}, {}, id="an empty label is the user's word too"),
            pytest.param({NAME: "", "k8s-app": "web"}, {"app": "web"}, id="an empty alias does not count"),
            pytest.param({COMPONENT: "webserver"}, {}, id="an unknown role stays where its writer finds it"),
            pytest.param({COMPONENT: "Frontend"}, {}, id="a role in other letters is unknown"),
            pytest.param({NAME: "web", COMPONENT: "x"}, {"app": "web"}, id="an unknown role does not hold up the rest"),
        ],
    )
    def test_a_pod_gets_what_it_has_under_an_alias_only(self, labels: dict[str, str], filled: dict[str, str]) -> None:
        """Never a value that the user did not write."""
        assert amended(pod(labels)) == adding(filled)

    def test_the_policys_own_label_is_filled(self) -> None:
        """Under the name that the policy gives it."""
        text = "workloads: {app: {label: shop.example/service, aliases: [app]}}"
        assert amended(pod({"app": "web"}), text).labels == {"shop.example/service": "web"}

    @pytest.mark.parametrize(
        ("manifest", "text", "options"),
        [
            pytest.param(deployment({NAME: "web"}), "", {}, id="a template, which selectors hang on"),
            pytest.param(pod({NAME: "web"}), "workloads: {fillFromAliases: false}", {}, id="a policy without filling"),
            pytest.param(pod({NAME: "web"}), "workloads: {app: {aliases: []}}", {}, id="no alias any more"),
        ],
    )
    def test_it_is_left_as_it_is(self, manifest: Json, text: str, options: Json) -> None:
        """Admitted, with no patch."""
        assert amended(manifest, text, **options) == NOTHING

    @pytest.mark.parametrize("where", ["kube-system", "guards"], ids=["an exempt namespace", "catflap's own"])
    def test_an_exempt_pod_is_not_touched(self, where: str) -> None:
        """Neither judged nor changed."""
        found = amended(pod({NAME: "web"}), namespace=where)
        assert found.verdict is Verdict.EXEMPT
        assert found.labels == {}

    def test_an_update_is_not_touched(self) -> None:
        """A label that appears later may break a selector."""
        found = amended(pod({NAME: "web"}), before=pod({NAME: "web"}))
        assert found == Decision(Reason(ReasonCode.OPERATION_NOT_MUTATED, "labels are written at CREATE only"))

    def test_a_subresource_is_not_touched(self) -> None:
        """An eviction is no Pod."""
        found = amended(pod({NAME: "web"}), subResource="eviction")
        assert found == Decision(Reason(ReasonCode.NO_RULE_APPLIES, "no rule checks pods/eviction"))


class TestStamping:
    """The mark of a guarded namespace."""

    @pytest.mark.parametrize(
        ("labels", "written"),
        [
            pytest.param({}, {"catflap.dev/guard": "enabled"}, id="no label"),
            pytest.param({"team": "a"}, {"catflap.dev/guard": "enabled"}, id="other labels"),
            pytest.param({"catflap.dev/guard": "disabled"}, {"catflap.dev/guard": "enabled"}, id="another value"),
            pytest.param({"catflap.dev/guard": "enabled"}, {}, id="it stands"),
        ],
    )
    def test_a_new_namespace_is_stamped(self, labels: dict[str, str], written: dict[str, str]) -> None:
        """Unless it is."""
        assert amended(namespace(labels=labels), namespace="shop") == adding(written)

    @pytest.mark.parametrize("name", ["kube-system", "guards"], ids=["exempt", "catflap's own"])
    def test_an_exempt_namespace_is_not_stamped(self, name: str) -> None:
        """It is never closed."""
        found = amended(namespace(name), namespace=name)
        assert found.verdict is Verdict.EXEMPT
        assert found.labels == {}

    def test_an_older_namespace_is_not_stamped_here(self) -> None:
        """The controller does that, where it is included."""
        assert amended(namespace(), before=namespace(), namespace="shop").labels == {}


def test_a_deletion_is_let_go() -> None:
    """There is nothing to write to."""
    assert amended(None, operation="DELETE") == Decision(
        Reason(ReasonCode.OPERATION_NOT_MUTATED, "labels are written at CREATE only")
    )
