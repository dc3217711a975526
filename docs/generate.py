"""Write the parts of the documentation that follow from the code: run it by `make docs`; a test fails if a page is not up to date."""

import json
import re
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from webhook.audit.schema import schema as audit_schema
from webhook.config.json_schema import schema
from webhook.config.places import written
from webhook.config.renamed_keys import REMOVED, RENAMED, current
from webhook.model.kinds import POD_MAKERS, PodMaker
from webhook.model.label_pattern import SUPPORTED_SYNTAX
from webhook.model.limits import LONGEST_PATTERN, MOST_ACCOUNTS, MOST_NAMESPACE_LABELS, MOST_NAMESPACES
from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy
from webhook.model.reason import Activity, ReasonCode, Verdict
from webhook.model.rule import Rule
from webhook.model.workload import Relabelling
from webhook.rules import RULES

ROOT = Path(__file__).parents[1]
CASES = ROOT / "tests" / "cases" / "rules"
DECISIONS = ROOT / "docs" / "decisions"
WARNING = "<!-- written by docs/generate.py; run `make docs` -->"
# The parts of the page about reason codes, besides decisions.
TITLES: Mapping[Activity, str] = {
    Activity.WRITE: "Writes",
    Activity.CONFIGURATION: "Policy files",
    Activity.CERTIFICATE: "Serving certificates",
    Activity.LEADER: "Leader of the controllers",
}
README_BLOCK = re.compile(r"(<!-- rules: generated[^\n]*-->\n).*?(<!-- rules: end -->)", re.DOTALL)


def pages() -> Mapping[Path, str]:
    """Every generated file with its content."""
    readme = ROOT / "README.md"
    listed = README_BLOCK.sub(lambda block: f"{block[1]}{table(RULES)}{block[2]}", readme.read_text(encoding="utf-8"))
    return {
        readme: listed,
        ROOT / "docs" / "rules.md": "\n".join(rules_page()),
        ROOT / "docs" / "kinds.md": "\n".join(kinds_page()),
        ROOT / "docs" / "policy.md": "\n".join(policy_page()),
        ROOT / "docs" / "reason-codes.md": "\n".join(reasons_page()),
        DECISIONS / "README.md": "\n".join(decisions_page()),
        ROOT / "docs" / "policy.schema.json": f"{json.dumps(schema(), indent=2)}\n",
        ROOT / "docs" / "audit.schema.json": f"{json.dumps(audit_schema(), indent=2)}\n",
    }


def table(rules: Mapping[str, Rule]) -> str:
    """The rules as a table."""
    rows = [f"| [`{rule.id}`](docs/rules.md#{rule.id}) | {rule.title} |" for rule in rules.values()]
    return "\n".join(["| rule | requires |", "|---|---|", *rows, ""])


def kinds_page() -> Iterator[str]:
    """Each kind from which controllers create Pods, and where its labels are read."""
    yield from ("# Kinds", "", WARNING, "")
    yield "catflap checks Pods, and objects of these kinds when they are created or when their Pod template changes:"
    yield from ("", "| kind | API group | labels are read at | remark |", "|---|---|---|---|")
    for maker in POD_MAKERS:
        paths = "<br>".join(f"`{maker.metadata_at(path) if path else 'metadata'}`" for path in maker.templates)
        yield f"| {maker.kind} | {f'`{maker.group}`' if maker.group else 'core'} | {paths} | {remark(maker)} |"
    yield from (
        "",
        "The policy file adds kinds by [`workloads.extraKinds`](policy.md). [`workloads.scope`](policy.md) defines whether catflap checks the labels",
        "of the Pod template, of the object itself, or both. [Decision 0014](decisions/0014-kinds-that-make-pods.md) describes the limits for custom resources.",
        "If an object of another kind contains a Pod template, `catflap check` prints that the object is not checked.",
        "",
    )


def remark(maker: PodMaker) -> str:
    """What differs from a kind with one pod template."""
    if maker.reference:
        return f"not checked if `{maker.reference}` is set: the object that it names is checked"
    if maker.partial:
        paths = ", ".join(f"`{path}`" for path in maker.partial)
        return f"not checked if one of these fields adds labels: {paths}"
    return ""


def decisions_page() -> Iterator[str]:
    """Each decision with its number and its title, which is the first line of its page."""
    yield from ("# Decisions", "", WARNING, "")
    yield "This folder is for engineers who change catflap. Each page describes one decision: the question or context, the decision, the reasons,"
    yield "and the consequences. The [glossary](../glossary.md) defines the terms. Some numbers are not used."
    yield from ("", "| number | decision |", "|---|---|")
    for page in sorted(DECISIONS.glob("[0-9]*.md")):
        number, _, title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").partition(" ")
        yield f"| [{number}]({page.name}) | {title} |"
    yield ""


def rules_page() -> Iterator[str]:
    """Each rule with a manifest that it admits and one that it refuses, both from its test cases."""
    yield from ("# Rules", "", WARNING, "")
    yield from (
        "This page is a reference for administrators and for developers whose objects catflap rejects. It describes each built-in rule. Administrators set the mode",
        "of a rule in the [policy file](policy.md), and can add [custom rules](custom-rules.md).",
        "",
        "For each rule, one example complies with the rule, and one violates it:",
        "",
        "- The examples concern one rule only. Other rules can reject an object that complies with this rule. For example, `known-role` admits a Pod without a role,",
        "  and `require-role` rejects it.",
        "- Each comment at the top of an example is one violation: the rule and the field.",
        "- The defaults of the policy file apply, unless the example begins with a policy file.",
        "",
    )
    for rule in RULES.values():
        yield from (f"## {rule.id}", "", f"{rule.title} Since {rule.since}.{limits(rule)}", "")
        yield from (details(rule), "")
        pair = ", the Pod before and after the change" if rule.about is Relabelling else ""
        for verdict, says in (("allow", f"Admitted{pair}:"), ("deny", f"Rejected{pair}:")):
            example = smallest(CASES / rule.id / verdict)
            yield from (says, "", "```yaml", example.read_text(encoding="utf-8").rstrip(), "```", "")


def details(rule: Rule) -> str:
    """What a user must know about a rule besides its title: the docstring of its module without the first line."""
    return (import_module(rule.check.__module__).__doc__ or "").partition("\n")[2].strip()


def limits(rule: Rule) -> str:
    """Where a rule says less than the file's mode would have it."""
    milder = (
        f" The key `mode` sets this rule to `{rule.at_most}` at most. To set a stricter mode, name the rule under the key `rules`."
        if rule.at_most is not Mode.ENFORCE
        else ""
    )
    return f"{milder} It applies in managed namespaces only." if rule.managed_only else milder


def smallest(folder: Path) -> Path:
    """The shortest case, as the plainest example."""
    return min(sorted(folder.glob("*.yaml")), key=lambda path: len(path.read_bytes()))


def policy_page() -> Iterator[str]:
    """Every key of the policy file with its default."""
    yield from ("# The policy file", "", WARNING, "")
    yield from (
        "This page is a reference for administrators who write the policy file. It lists every key. The folder [examples](../examples) contains complete",
        "policy files, and the [glossary](glossary.md) defines the terms.",
        "",
        "Write the policy file as YAML:",
        "",
        "- In a cluster, the policy file is the key `policy.yaml` of the ConfigMap `catflap-policy` in catflap's namespace. The chart creates this",
        "  ConfigMap from the value `policy`.",
        "- For commands, the policy file is a file, a manifest of this ConfigMap, or standard input (`-`). `serve` and `controller` do not read",
        "  standard input.",
        "",
        "These commands help you to write the file:",
        "",
        "| command | what it does |",
        "|---|---|",
        "| `catflap config check FILE` | reports every error with its line and column, and warns about settings that have no effect |",
        "| `catflap config show FILE` | prints the file with all defaults |",
        "| `catflap config schema` | prints a JSON Schema for editors |",
        "",
        "The JSON Schema is also [next to this page](policy.schema.json). To use it in an editor with the YAML language server, make this comment the",
        "first line of the policy file:",
        "",
        "```yaml",
        "# yaml-language-server: $schema=policy.schema.json",
        "```",
        "",
    )
    yield from (
        "## Keys",
        "",
        "Every key has a default, except the keys that are required. An unknown key is an error. `[]` after a key means each item of a list, and `NAME`",
        "means a name that you choose. The values of a key with a fixed set of values are in parentheses.",
        "",
    )
    yield from ("| key | default | meaning |", "|---|---|---|")
    yield from keys(GuardPolicy.model_json_schema(by_alias=True), "", None)
    yield from ("", "## Keys of earlier releases", "")
    yield from (
        "Some keys had other names in earlier releases. This release reads a former name and prints a warning. The next release rejects it.",
        "To rewrite a file with the current names, run `catflap config migrate FILE` ([upgrade.md](upgrade.md#renamed-keys-and-metrics)).",
        "",
        "| former key | now |",
        "|---|---|",
    )
    yield from (f"| `{written(path)}` | `{written(current(path))}` |" for path in RENAMED)
    yield from (f"| `{written(path)}` | removed, without effect: {reason} |" for path, reason in REMOVED.items())
    yield from ("", "## Limits", "")
    yield from (
        "The API server limits the size of the objects that catflap writes from this file. Therefore the policy file has limits too. The",
        "[JSON Schema](policy.schema.json) contains the largest number of items of each list. These limits apply to several lists together:",
        "",
        "| keys | at most, together |",
        "|---|---|",
        f"| `namespaces.exempt`, `namespaces.reserved` and the names in `namespaces.overrides` | {MOST_NAMESPACES} names and prefixes |",
        f"| the labels in `namespaces.overrides` | {MOST_NAMESPACE_LABELS} labels |",
        f"| the claims of all `roles` | {MOST_NAMESPACES} namespaces and {MOST_ACCOUNTS} ServiceAccounts |",
        "",
    )
    yield from ("## Patterns", "")
    yield from (
        "`workloads.require[].matches` contains a regular expression, the *pattern*. With `validatingAdmissionPolicy`, catflap and the API server both",
        f"read it. Therefore a pattern has at most {LONGEST_PATTERN} characters, and contains only syntax that has the same meaning in both:",
        "",
        *(f"- {part}" for part in SUPPORTED_SYNTAX.split("; ")),
        "",
    )


def reasons_page() -> Iterator[str]:
    """Every reason code with its definition, by the records that have it."""
    yield from ("# Reason codes", "", WARNING, "")
    yield from (
        "This page is for administrators and auditors, and for authors of programs that read audit logs. An audit record contains its reason twice:",
        "",
        "| key | for | stability |",
        "|---|---|---|",
        "| `reasonCode` | programs | A code is never renamed and never gets another meaning. A release can add codes. |",
        "| `reason` | people, with names and details | The text can change in any release. |",
        "",
        "`catflap audit query --reason CODE` prints the records with a code. Records of formats before `catflap.dev/audit/v1alpha4` have no code;",
        "[audit.md](audit.md#reason-codes) describes which questions they answer.",
        "",
    )
    yield from (
        "## Decisions",
        "",
        "Each code belongs to one decision. [audit.md](audit.md#what-is-recorded) describes the five decisions. The *mutating phase* is the review at",
        "`/mutate`, in which catflap can add labels to an object.",
        "",
        "| code | decision | definition |",
        "|---|---|---|",
    )
    yield from (
        f"| `{code}` | `{code.kind}` | {code.definition} |" for code in ReasonCode if isinstance(code.kind, Verdict)
    )
    for activity, title in TITLES.items():
        yield from ("", f"## {title}", "", f"Records of the type `{activity}` have these codes.", "")
        yield from ("| code | definition |", "|---|---|")
        yield from (f"| `{code}` | {code.definition} |" for code in ReasonCode if code.kind is activity)
    yield ""


def keys(schema: Mapping[str, Any], path: str, definitions: Mapping[str, Any] | None) -> Iterator[str]:
    """The rows of one mapping of the file, nested mappings after it."""
    known: Mapping[str, Any] = definitions if definitions is not None else schema.get("$defs", {})
    for key, field in schema["properties"].items():
        nested, dotted = inner(field, known)
        default = field.get("default", "")
        shown = "" if nested and not dotted else f"`{one_line(default)}`" if "default" in field else "required"
        yield f"| `{path}{key}` | {shown} | {field.get('description', '')}{choices(field, known)} |"
        if nested is not None:
            yield from keys(nested, f"{path}{key}{dotted}.", known)


def choices(field: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """The values of a key that has a fixed set of values; empty for other keys, and if the description contains them all."""
    for variant in (field, *field.get("anyOf", ())):
        one = known.get(str(variant.get("$ref", "")).rpartition("/")[2], variant)
        values = one.get("enum", [one["const"]] if "const" in one else [])
        if values and not all(re.search(rf"\b{re.escape(value)}\b", field.get("description", "")) for value in values):
            return f" ({', '.join(f'`{value}`' for value in values)})"
    return ""


def inner(field: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """The mapping inside a field; and `[]` if the field is a list of them, or `.NAME` if it has one for each name."""
    for variant in (field, *field.get("anyOf", ())):
        for one, dotted in (
            (variant, ""),
            (variant.get("items", {}), "[]"),
            (variant.get("additionalProperties", {}), ".NAME"),
        ):
            found = known.get(str(one.get("$ref", "")).rpartition("/")[2]) if isinstance(one, dict) else None
            if found is not None and "properties" in found:
                return found, dotted
    return None, ""


def one_line(value: Any) -> str:
    """A default as the file would say it."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()


def main() -> None:
    """Write every page that differs."""
    for path, content in pages().items():
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
            print(f"wrote {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
