"""The rules about labels once more, for the API server itself: they hold while none of ours runs.

A ValidatingAdmissionPolicy judges Kubernetes' own kinds as the rules do that can be said so (`Rule.in_cel`), where they
are in force with mode enforce. What it cannot ask, it leaves to us: how old an owner is, and what namespaces are guarded.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from webhook.controller.conditions import elsewhere
from webhook.controller.registration import pod_rules, rule
from webhook.kube.registrations import API_VERSION
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
TOLD: Final = "What is at fault, and what mends it, is told by catflap itself where it runs, and by `catflap check`."


def twin(
    policy: GuardPolicy, *, own_namespace: str, at: datetime, own_accounts: Identities | None = None
) -> tuple[Json, ...]:
    """The policy for the API server and what binds it to everything, in the order in which they are to be written.

    Exceptions are those that count `at` this moment. `own_accounts` are not judged, the chart's unless given. Nothing where the file does not ask for it, or no rule refuses.
    """
    validations = list(validated(policy, at)) if policy.twin else []
    if not validations:
        return ()
    ours = chart_accounts(own_namespace) if own_accounts is None else own_accounts
    metadata = {"name": ADMISSION_POLICY, "labels": {MANAGED_BY_LABEL: MANAGED_BY}}
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": constraints(policy, own_namespace),
        "matchConditions": [{"name": name, "expression": said} for name, said in conditions(policy, ours)],
        "variables": [{"name": name, "expression": said} for name, said in variables(policy, at)],
        "validations": validations,
    }
    binding = {"policyName": ADMISSION_POLICY, "validationActions": ["Deny"]}
    return (
        {"apiVersion": API_VERSION, "kind": "ValidatingAdmissionPolicy", "metadata": metadata, "spec": spec},
        {"apiVersion": API_VERSION, "kind": "ValidatingAdmissionPolicyBinding", "metadata": metadata, "spec": binding},
    )


def changes_at(policy: GuardPolicy, at: datetime) -> datetime | None:
    """When the next exception that counts ends, and what the API server has is to be written anew; None where none does."""
    if not policy.twin:
        return None
    ends = [one.until for one in policy.exceptions if one.counts(at) and one.until < LAST_DAY]
    return datetime.combine(min(ends), time.min, UTC) + timedelta(days=1) if ends else None


def constraints(policy: GuardPolicy, own_namespace: str) -> Json:
    """Which requests it judges, every default written out."""
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
    """What of Kubernetes' own makes Pods, a rule a kind."""
    for maker in KUBERNETES_OWN:
        if maker is not POD:
            yield rule(maker.group, [maker.resource], ["CREATE", "UPDATE"])


def conditions(policy: GuardPolicy, own_accounts: Identities) -> Iterator[tuple[str, str]]:
    """Whom and what it does not judge, as we do not."""
    prefixes = [one for one in policy.namespaces.exempted if one.endswith("*")]
    if prefixes:
        yield "exempt-prefix", elsewhere(prefixes)
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
    if policy.workloads.existing == "admit":
        yield "existing", f"!(request.operation == 'CREATE' && {IS_CONTROLLER} && {OWNED})"


def variables(policy: GuardPolicy, at: datetime) -> Iterator[tuple[str, str]]:
    """What the rules' expressions are about, see webhook.model.cel, and where each rule refuses."""
    now, then = "variables.template", "variables.earlier"
    role = policy.workloads.role
    yield "pod", f"request.resource.group == '' && request.resource.resource == '{POD.resource}'"
    yield "update", "request.operation == 'UPDATE'"
    yield "template", template("object")
    yield "earlier", f"variables.update ? {template('oldObject')} : dyn({{}})"
    yield "roles", literal(list(policy.workloads.role.one_of))
    yield "places", f"[{place(now, role)}]"
    yield "before", f"variables.update ? [{place(then, role)}] : []"
    unchanged = f"{now} == {then}"
    yield "unchanged", f"{unchanged} || {restarted(now, then)}" if policy.workloads.existing == "admit" else unchanged
    yield "lenient", "variables.update && (variables.pod || variables.unchanged)"
    yield from overriding(policy.namespaces.overrides)
    for one in RULES.values():
        if one.in_cel:
            yield variable(one), enforced(one, policy, at)


def restarted(one: str, other: str) -> str:
    """Whether two pod templates differ by a restart alone, and the labels and annotations of the objects around them do not."""
    labels, metadata, notes = ".?metadata.?labels", ".?metadata", ".?metadata.?annotations"
    return " && ".join(
        [
            *(f"object{own} == oldObject{own}" for own in (labels, notes)),
            f"{one}.?spec == {other}.?spec",
            alike(f"{one}{metadata}", f"{other}{metadata}", "annotations"),
            alike(f"{one}{notes}", f"{other}{notes}", RESTARTED_AT),
        ]
    )


def alike(one: str, other: str, but: str) -> str:
    """Whether two mappings, either of which may be missing, say the same but for one key."""
    here, there, key = f"{one}.orValue({{}})", f"{other}.orValue({{}})", literal(but)
    kept = f"{here}.all(key, key == {key} || key in {there} && {here}[key] == {there}[key])"
    return f"{kept} && {there}.all(key, key == {key} || key in {here})"


def template(source: str) -> str:
    """The pod template of an object, or the Pod itself."""
    said = f"dyn({source}{steps(USUAL_TEMPLATE)}.orValue({{}}))"
    for maker in KUBERNETES_OWN:
        if maker.template not in {"", USUAL_TEMPLATE}:
            found = f"dyn({source}{steps(maker.template)}.orValue({{}}))"
            said = f"(request.resource.resource == '{maker.resource}' ? {found} : {said})"
    return f"(variables.pod ? dyn({source}) : {said})"


def steps(path: str) -> str:
    """A dotted path, any step of which may be missing."""
    return "".join(f".?{step}" for step in path.split("."))


def place(source: str, role: RoleLabel) -> str:
    """The labels of Pods made from a template, their role, and the ServiceAccount that they run under."""
    spec, labels = f"{source}.?spec", f"{source}.?metadata.?labels.orValue({{}})"
    account = f"{spec}.?serviceAccountName.orValue({spec}.?serviceAccount.orValue('default'))"
    return (
        f"{{'labels': dyn({labels}), 'role': dyn({value(role.keys, KNOWN_ROLE, labels)}), 'account': dyn({account})}}"
    )


def validated(policy: GuardPolicy, at: datetime) -> Iterator[Json]:
    """What is asked by each rule that can be said in CEL, where it refuses; nothing of one that refuses nowhere."""
    for one in RULES.values():
        message = f"{one.id}: {one.title} {TOLD}"
        asked = one.in_cel(policy) if one.in_cel and enforced(one, policy, at) != "false" else ()
        for sound in asked:
            yield {"expression": f"!variables.{variable(one)} || ({sound})", "message": message, "reason": "Forbidden"}


def variable(one: Rule) -> str:
    """The name of the variable that says whether a rule refuses in the namespace of a request."""
    return one.id.replace("-", "_")


def enforced(one: Rule, policy: GuardPolicy, at: datetime) -> str:
    """Whether a rule refuses in the namespace of a request."""
    scopes = enumerate([*policy.namespaces.overrides, None])
    strict = [number for number, override in scopes if one.mode(policy, override) is Mode.ENFORCE]
    if not strict:
        return "false"
    waived = sorted(
        {exception.namespace for exception in policy.exceptions if exception.rule == one.id and exception.counts(at)}
    )
    excepted = f" && !({NAMESPACE} in {literal(waived)})" if waived else ""
    return f"variables.override in {literal(strict)}{excepted}"


def overriding(overrides: Sequence[Override]) -> Iterator[tuple[str, str]]:
    """The number of the first override that is about the namespace of a request, or the next one where none is.

    In lists side by side, for one condition inside of another would be nested more deeply than the API server reads.
    """
    numbers = literal(list(range(len(overrides))))
    yield "named", f"[{', '.join(named(one) for one in overrides)}]"
    yield "labels", "namespaceObject.?metadata.?labels.orValue({})"
    yield "labelled", f"[{', '.join(labelled(one) for one in overrides)}]"
    yield (
        "override",
        f"({numbers}.filter(one, variables.named[one] && variables.labelled[one]) + [{len(overrides)}])[0]",
    )


def named(override: Override) -> str:
    """Whether the namespace of a request has a name that an override gives."""
    return f"({fits_any(override.names, NAMESPACE)})" if override.names else "true"


def labelled(override: Override) -> str:
    """Whether it has the labels."""
    wanted = (
        f"variables.labels[?{literal(key)}] == optional.of({literal(said)})" for key, said in override.labels.items()
    )
    return " && ".join(wanted) or "true"
