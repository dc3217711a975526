"""Which of a Pod's labels names its application, and which one its role."""

from collections.abc import Mapping

import pytest

from webhook.model.workload import EMPTY, MISSING, FoundLabel
from webhook.model.workload_labels import AppLabel, RoleLabel, Workloads

APP = AppLabel()
ROLE = RoleLabel()
NAME, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/component"

COUNTED: Mapping[str, tuple[AppLabel, Mapping[str, str], FoundLabel | None, str]] = {
    "the label itself": (APP, {"app": "web", NAME: "other"}, FoundLabel("app", "web"), ""),
    "an alias, where the label is absent": (APP, {NAME: "web"}, FoundLabel(NAME, "web"), ""),
    "the first alias of the policy, not of the object": (APP, {"k8s-app": "b", NAME: "a"}, FoundLabel(NAME, "a"), ""),
    "an empty alias does not count": (APP, {NAME: "", "k8s-app": "b"}, FoundLabel("k8s-app", "b"), ""),
    "no alias counts where the label is empty": (APP, {"app": "", NAME: "web"}, FoundLabel("app", ""), EMPTY),
    "nothing": (APP, {"App": "web", "apps": "web"}, None, MISSING),
    "a role": (ROLE, {"role": "backend", COMPONENT: "controller"}, FoundLabel("role", "backend"), ""),
    "a role that is not known, beside one that is": (
        ROLE,
        {"role": "x", COMPONENT: "data"},
        FoundLabel("role", "x"),
        "",
    ),
    "an alias that is a role": (ROLE, {COMPONENT: "data"}, FoundLabel(COMPONENT, "data"), ""),
    "an alias that is not a role": (ROLE, {COMPONENT: "controller"}, None, MISSING),
    "an alias in another letter case": (ROLE, {COMPONENT: "Data"}, None, MISSING),
}


@pytest.mark.parametrize("what", COUNTED)
def test_the_label_that_counts(what: str) -> None:
    """The label itself wins; an alias counts only where the label is absent, and for roles only if its value is one."""
    label, labels, found, lack = COUNTED[what]
    assert label.found(labels) == found
    assert label.lack(labels) == lack


@pytest.mark.parametrize(
    ("labels", "intended"),
    [
        ({"role": "backend", COMPONENT: "data"}, "backend"),
        ({"role": "worker", COMPONENT: "data"}, "data"),
        ({"role": "Backend"}, "backend"),
        ({COMPONENT: "fronted"}, "frontend"),
        ({"role": "", COMPONENT: "data"}, "data"),
        ({COMPONENT: "controller"}, None),
        ({}, None),
    ],
)
def test_the_role_that_is_meant(labels: Mapping[str, str], intended: str | None) -> None:
    """A known one first; else the nearest to what is written."""
    assert ROLE.intended(labels) == intended


@pytest.mark.parametrize(
    ("given", "app", "role"),
    [
        ({"app": {"label": NAME}}, (NAME, "k8s-app"), ("role", COMPONENT)),
        ({"app": {"label": "k8s-app"}}, ("k8s-app", NAME), ("role", COMPONENT)),
        ({"role": {"label": COMPONENT}}, ("app", NAME, "k8s-app"), (COMPONENT,)),
        ({"role": {"label": "k8s-app"}}, ("app", NAME), ("k8s-app", COMPONENT)),
        ({"role": {"aliases": [NAME]}}, ("app", "k8s-app"), ("role", NAME)),
        ({"app": {"aliases": [COMPONENT]}}, ("app", COMPONENT), ("role",)),
        ({"app": {"label": NAME, "aliases": [NAME]}}, (NAME, NAME), ("role", COMPONENT)),  # config check refuses it
    ],
)
def test_a_default_alias_never_contradicts_the_file(
    given: Mapping[str, object], app: tuple[str, ...], role: tuple[str, ...]
) -> None:
    """A label that the file itself uses is not an alias by default."""
    workloads = Workloads.model_validate(given)
    assert (workloads.app.keys, workloads.role.keys) == (app, role)
