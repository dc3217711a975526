"""The manifests that close a namespace: each engine's, for each choice of name servers.

The cases are folders of `tests/cases/netpol`: a policy file, and what each engine is to be given.
"""

from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.unit.netpol.calico_grammar import complaints
from tests.unit.samples import policy
from webhook.config.parse import parse
from webhook.model.names import ALLOW_DNS, DEFAULT_DENY
from webhook.netpol.dns import PRESETS
from webhook.netpol.intent import Engine
from webhook.netpol.manifest import Birth
from webhook.netpol.render import PRINTERS, render

FOLDER: Final = Path(__file__).parents[2] / "cases" / "netpol"
CASES: Final = sorted(path.name for path in FOLDER.iterdir())
LISTS: Final = {"explicit-list", "empty-list"}
BIRTH: Final = Birth("shop", "5b1f", "0123456789abcdef")


def rendered(case: str, engine: Engine) -> tuple[Any, ...]:
    """What we write for a case."""
    return render(parse((FOLDER / case / "policy.yaml").read_text(encoding="utf-8")).policy, BIRTH, engine)


@pytest.mark.parametrize("engine", Engine)
@pytest.mark.parametrize("case", CASES)
def test_a_case_is_rendered_to_the_letter(case: str, engine: Engine) -> None:
    """The same objects in the same order."""
    golden = (FOLDER / case / f"{engine}.yaml").read_text(encoding="utf-8")
    assert list(rendered(case, engine)) == list(yaml.safe_load_all(golden))


def test_every_preset_has_its_case_and_nothing_else_is_there() -> None:
    """A new preset needs a folder."""
    assert set(CASES) == set(PRESETS) | LISTS
    files = {"policy.yaml", *(f"{engine}.yaml" for engine in Engine)}
    assert {path.relative_to(FOLDER).parts for path in FOLDER.rglob("*") if path.is_file()} == {
        (case, file) for case in CASES for file in files
    }


@pytest.mark.parametrize("case", CASES)
def test_calico_takes_what_it_is_given(case: str) -> None:
    """And so do its Windows nodes."""
    assert [complaints(manifest) for manifest in rendered(case, Engine.CALICO)] == [
        [] for _ in rendered(case, Engine.CALICO)
    ]


@pytest.mark.parametrize(("engine", "types"), [(Engine.CALICO, "types"), (Engine.KUBERNETES, "policyTypes")])
@pytest.mark.parametrize("case", CASES)
def test_the_default_deny_comes_first_and_closes_both_ways(case: str, engine: Engine, types: str) -> None:
    """It opens nothing, selects every Pod, and states its types."""
    deny, *rest = rendered(case, engine)
    assert deny["metadata"]["name"] == DEFAULT_DENY
    assert deny["spec"][types] == ["Ingress", "Egress"]
    assert not {"ingress", "egress"} & deny["spec"].keys()
    assert [manifest["metadata"]["name"] for manifest in rest] == (
        [] if case in {"none", "empty-list"} else [ALLOW_DNS]
    )


@pytest.mark.parametrize("engine", Engine)
def test_a_manifest_says_where_it_comes_from(engine: Engine) -> None:
    """By our label, the policy's digest and the namespace's uid."""
    for manifest in render(policy(), BIRTH, engine):
        metadata = manifest["metadata"]
        assert metadata["namespace"] == "shop"
        assert metadata["labels"]["app.kubernetes.io/managed-by"] == "catflap"
        assert metadata["annotations"] == {
            "catflap.dev/policy-digest": "0123456789abcdef",
            "catflap.dev/namespace-uid": "5b1f",
        }


def test_no_uid_is_claimed_where_no_cluster_was_asked() -> None:
    """`catflap render` does not know it."""
    (deny, _) = render(policy(), Birth("shop", "", "0"), Engine.KUBERNETES)
    assert deny["metadata"]["annotations"] == {"catflap.dev/policy-digest": "0"}


@pytest.mark.parametrize("preset", PRESETS)
def test_auto_means_what_was_detected(preset: str) -> None:
    """And a policy that names its name servers means those."""
    for engine in Engine:
        named = render(policy(f"network: {{dns: {preset}}}"), BIRTH, engine)
        assert render(policy("network: {dns: auto}"), BIRTH, engine, detected_dns=preset) == named
        assert render(policy(f"network: {{dns: {preset}}}"), BIRTH, engine, detected_dns="openshift") == named


def test_every_engine_has_its_printer() -> None:
    """A new engine needs one."""
    assert set(PRINTERS) == set(Engine)
