"""Renders the label rules as a ValidatingAdmissionPolicy, which the API server enforces while no catflap server runs.

The policy covers Kubernetes' own kinds and the rules that CEL can express (`Rule.in_cel`), where their mode is
enforce. It leaves to catflap what CEL cannot look up: the age of an owner, and which namespaces are managed.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from webhook.controller.match_conditions import outside_prefixes
from webhook.controller.webhook_rules import pod_rules, rule
from webhook.kube.webhook_configurations import API_VERSION
from webhook.model.cel import KNOWN_ROLE, NAMESPACE, fits_any, literal, value
from webhook.model.identity import Identities, chart_accounts
from webhook.model.kinds import KUBERNETES_OWN, LABELLING_SUBRESOURCES, POD, USUAL_TEMPLATE
from webhook.model.modes import Mode, Override
from webhook.model.names import ADMISSION_POLICY, MANAGED_BY, MANAGED_BY_LABEL, NAMESPACE_NAME, RESTARTED_AT
from webhook.model.policy import GuardPolicy
from webhook.model.request import KUBE_CONTROLLER_MANAGER
from webhook.model.rule import Rule
from webhook.model.workload_labels import RoleLabel
from webhook.rules import RULES

Json = dict[str, Any]

USER, GROUPS = "request.userInfo.username", "request.userInfo.?groups.orValue([])"
IS_NODE: Final = f"{USER}.startsWith('system:node:') && 'system:nodes' in {GROUPS}"
CONTROLLERS: Final = "system:serviceaccount:kube-system:"
IS_CONTROLLER: Final = (
    f"({USER} == '{KUBE_CONTROLLER_MANAGER}' || {USER}.startsWith('{CONTROLLERS}') && {USER}.endsWith('-controller'))"
)
OWNED: Final = "object.?metadata.?ownerReferences.orValue([]).exists(one, one.?controller.orValue(false))"
MIRROR: Final = "'kubernetes.io/config.mirror' in object.?metadata.?annotations.orValue({})"
LAST_DAY: Final = date.max
MESSAGE_SUFFIX: Final = "The message of catflap, and `catflap check`, show the violations and the fix."


def admission_policy(
    policy: GuardPolicy, *, own_namespace: str, at: datetime, own_accounts: Identities | None = None
) -> tuple[Json, ...]:
    """Return the ValidatingAdmissionPolicy and its binding, in the order in which they are to be written.

    Only exceptions in force at time `at` count. Requests of `own_accounts` are not checked; by default these are the
    accounts of the chart. The result is empty if the policy file does not ask for the policy, or no rule enforces.
    """
    validations = list(render_validations(policy, at)) if policy.validating_admission_policy else []
    if not validations:
        return ()
    ours = chart_accounts(own_namespace) if own_accounts is None else own_accounts
    metadata = {"name": ADMISSION_POLICY, "labels": {MANAGED_BY_LABEL: MANAGED_BY}}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": match_constraints(policy, own_namespace),
        "matchConditions": [{"name": name, "expression": said} for name, said in match_conditions(policy, ours)],
        "variables": [{"name": name, "expression": said} for name, said in variables(policy, at)],
        "validations": validations,
    }
    binding = {"policyName": ADMISSION_POLICY, "validationActions": ["Deny"]}
    return (
        {"apiVersion": API_VERSION, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": spec},
        {"apiVersion": API_VERSION, "kind": "ValidatingAdmissionPolicyBinding", "metadata": metadata, "spec": binding},
    )


def next_expiry(policy: GuardPolicy, at: datetime) -> datetime | None:
    """Return when the next exception expires, so that the policy must be written again; None if none does."""
    if not policy.validating_admission_policy:
        return None
    ends = [one.until for one in policy.exceptions if one.counts(at) and one.until < LAST_DAY]
    return datetime.combine(min(ends), time.min, UTC) + timedelta(days=1) if ends else None


def match_constraints(policy: GuardPolicy, own_namespace: str) -> Json:
    """Return which requests the policy checks, with every default written out."""
    names = sorted({own_namespace, *(one for one in policy.namespaces.exempted if not one.endswith("*"))})
    ways = [f"{POD.resource}/{way}" for way in LABELLING_SUBRESOURCES[POD.group, POD.resource]]
    term = {"key": NAMESPACE_NAME, "operator": "NotIn", "values": names}
    return {
        "matchPolicy": "Equivalent",
        "namespaceSelector": {"matchExpressions": [term]},
        "objectSelector": {},
        "resourceRules": [*pod_rules("CREATE", "UPDATE"), rule(POD.group, ways, ["UPDATE"]), *kubernetes_own()],
    }


def kubernetes_own() -> Iterator[Json]:
    """Yield a rule for each of Kubernetes' own kinds that create Pods."""
    for maker in KUBERNETES_OWN:
        if maker is not POD:
            yield rule(maker.group, [maker.resource], ["CREATE", "UPDATE"])


def match_conditions(policy: GuardPolicy, own_accounts: Identities) -> Iterator[tuple[str, str]]:
    """Yield the match conditions, which exclude the same users and objects as catflap does."""
    prefixes = [one for one in policy.namespaces.exempted if one.endswith("*")]
    if prefixes:
        yield "exempt-prefix", outside_prefixes(prefixes)
    exempt = policy.exempt
    accounts = [f"system:serviceaccount:{one.replace('/', ':')}" for one in exempt.service_accounts]
    for name, users in (("own", own_accounts.users), ("user", exempt.users), ("account", accounts)):
        if users:
            yield name, f"!({USER} in {literal(list(users))})"
    for name, groups in (("break-glass", policy.break_glass.groups), ("group", exempt.groups)):
        if groups:
            yield name, f"!{GROUPS}.exists(group, group in {literal(list(groups))})"
    yield "node", f"!({USER}.startsWith('system:node:') && request.?subResource.orValue('') == 'status')"
    yield "mirror", f"!({IS_NODE} && {MIRROR})"
    if policy.workloads.existing_workloads == "admit":
        yield "existing", f"!(request.operation == 'CREATE' && {IS_CONTROLLER} && {OWNED})"


def variables(policy: GuardPolicy, at: datetime) -> Iterator[tuple[str, str]]:
    """Yield the variables that the rules' expressions use (webhook.model.cel), and one per rule for where it enforces."""
    now, then = "variables.template", "variables.earlier"
    role = policy.workloads.role
    yield "pod", f"request.resource.group == '' && request.resource.resource == '{POD.resource}'"
    yield "update", "request.operation == 'UPDATE'"
    yield "template", template("object")
    yield "earlier", f"variables.update ? {template('oldObject')} : dyn({{}})"
    yield "roles", literal(list(policy.workloads.role.one_of))
    yield "places", f"[{pod_labels(now, role)}]"
    yield "before", f"variables.update ? [{pod_labels(then, role)}] : []"
    unchanged = f"{now} == {then}"
    yield (
        "unchanged",
        f"{unchanged} || {is_only_restart(now, then)}" if policy.workloads.existing_workloads == "admit" else unchanged,
    )
    yield "lenient", "variables.update && (variables.pod || variables.unchanged)"
    yield from override_variables(policy.namespaces.overrides)
    for one in RULES.values():
        if one.in_cel:
            yield variable(one), enforced(one, policy, at)


def is_only_restart(one: str, other: str) -> str:
    """Return the expression for: two pod templates differ by a restart only, and the objects' own labels and annotations are equal."""
    labels, metadata, notes = ".?metadata.?labels", ".?metadata", ".?metadata.?annotations"
    return " && ".join(
        [
            *(f"object{own} == oldObject{own}" for own in (labels, notes)),
            f"{one}.?spec == {other}.?spec",
            equal_except(f"{one}{metadata}", f"{other}{metadata}", "annotations"),
            equal_except(f"{one}{notes}", f"{other}{notes}", RESTARTED_AT),
        ]
    )


def equal_except(one: str, other: str, but: str) -> str:
    """Return the expression for: two mappings are equal except for one key. Either mapping may be missing."""
    here, there, key = f"{one}.orValue({{}})", f"{other}.orValue({{}})", literal(but)
    kept = f"{here}.all(key, key == {key} || key in {there} && {here}[key] == {there}[key])"
    return f"{kept} && {there}.all(key, key == {key} || key in {here})"


def template(source: str) -> str:
    """Return the expression for the pod template of an object, or for the Pod itself."""
    said = f"dyn({source}{steps(USUAL_TEMPLATE)}.orValue({{}}))"
    for maker in KUBERNETES_OWN:
        if maker.template not in {"", USUAL_TEMPLATE}:
            found = f"dyn({source}{steps(maker.template)}.orValue({{}}))"
            said = f"(request.resource.resource == '{maker.resource}' ? {found} : {said})"
    return f"(variables.pod ? dyn({source}) : {said})"


def steps(path: str) -> str:
    """Return the CEL path for a dotted path; any step of it may be missing."""
    return "".join(f".?{step}" for step in path.split("."))


def pod_labels(source: str, role: RoleLabel) -> str:
    """Return the expression for the labels of Pods made from a template, their role, and their ServiceAccount."""
    spec, labels = f"{source}.?spec", f"{source}.?metadata.?labels.orValue({{}})"
    account = f"{spec}.?serviceAccountName.orValue({spec}.?serviceAccount.orValue('default'))"
    return (
        f"{{'labels': dyn({labels}), 'role': dyn({value(role.keys, KNOWN_ROLE, labels)}), 'account': dyn({account})}}"
    )


def render_validations(policy: GuardPolicy, at: datetime) -> Iterator[Json]:
    """Yield the validations of each rule that CEL can express and that enforces in any namespace."""
    for one in RULES.values():
        message = f"{one.id}: {one.title} {MESSAGE_SUFFIX}"
        asked = one.in_cel(policy) if one.in_cel and enforced(one, policy, at) != "false" else ()
        for sound in asked:
            yield {"expression": f"!variables.{variable(one)} || ({sound})", "message": message, "reason": "Forbidden"}


def variable(one: Rule) -> str:
    """Return the name of the variable that is true where a rule enforces."""
    return one.id.replace("-", "_")


def enforced(one: Rule, policy: GuardPolicy, at: datetime) -> str:
    """Return the expression for: a rule enforces in the namespace of the request."""
    scopes = enumerate([*policy.namespaces.overrides, None])
    strict = [number for number, override in scopes if one.mode(policy, override) is Mode.ENFORCE]
    if not strict:
        return "false"
    waived = sorted(
        {exception.namespace for exception in policy.exceptions if exception.rule == one.id and exception.counts(at)}
    )
    excepted = f" && !({NAMESPACE} in {literal(waived)})" if waived else ""
    return f"variables.override in {literal(strict)}{excepted}"


def override_variables(overrides: Sequence[Override]) -> Iterator[tuple[str, str]]:
    """Yield the variables that give the number of the first matching override, or the number of overrides if none matches.

    They use parallel lists, because nested conditions would exceed the API server's limit on nesting.
    """
    numbers = literal(list(range(len(overrides))))
    yield "named", f"[{', '.join(has_name(one) for one in overrides)}]"
    yield "labels", "namespaceObject.?metadata.?labels.orValue({})"
    yield "labelled", f"[{', '.join(has_labels(one) for one in overrides)}]"
    yield (
        "override",
        f"({numbers}.filter(one, variables.named[one] && variables.labelled[one]) + [{len(overrides)}])[0]",
    )


def has_name(override: Override) -> str:
    """Return the expression for: the namespace of the request has a name that the override lists."""
    return f"({fits_any(override.names, NAMESPACE)})" if override.names else "true"


def has_labels(override: Override) -> str:
    """Return the expression for: the namespace has all labels of the override."""
    wanted = (
        f"variables.labels[?{literal(key)}] == optional.of({literal(said)})" for key, said in override.labels.items()
    )
    return " && ".join(wanted) or "true"
