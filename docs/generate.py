"""Writes what the documentation says about the code, from the code: run it by `make docs`; a test fails when it is stale."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from webhook.audit.schema import schema as audit_schema
from webhook.config.schema import schema
from webhook.model.kinds import POD_MAKERS, PodMaker
from webhook.model.label_pattern import SUPPORTED_SYNTAX
from webhook.model.limits import LONGEST_PATTERN, MOST_ACCOUNTS, MOST_NAMESPACE_LABELS, MOST_NAMESPACES
from webhook.model.modes import Mode
from webhook.model.policy import GuardPolicy
from webhook.model.rule import Rule
from webhook.model.workload import Relabelling
from webhook.rules import RULES

ROOT = Path(__file__).parents[1]
CASES = ROOT / "tests" / "cases" / "rules"
DECISIONS = ROOT / "docs" / "decisions"
WARNING = "<!-- written by docs/generate.py; run `make docs` -->"
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
        "The policy file adds kinds by [`workloads.extraKinds`](policy.md). With [`workloads.scope`](policy.md), catflap checks the labels of the",
        "objects themselves instead, or as well. [Decision 0014](decisions/0014-kinds-that-make-pods.md) describes the limits for custom resources.",
        "`catflap check` names objects of other kinds that contain a Pod template as not judged.",
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
    yield from ("# The rules", "", WARNING, "")
    for rule in RULES.values():
        yield from (f"## {rule.id}", "", f"{rule.title} Since {rule.since}.{limits(rule)}", "")
        pair = ", before and after" if rule.about is Relabelling else ""
        for verdict, says in (("allow", f"Admitted{pair}:"), ("deny", f"Refused{pair}:")):
            example = smallest(CASES / rule.id / verdict)
            yield from (says, "", "```yaml", example.read_text(encoding="utf-8").rstrip(), "```", "")


def limits(rule: Rule) -> str:
    """Where a rule says less than the file's mode would have it."""
    milder = (
        f" Unless the file names it, its mode is {rule.at_most} at most." if rule.at_most is not Mode.ENFORCE else ""
    )
    return f"{milder} In guarded namespaces only." if rule.managed_only else milder


def smallest(folder: Path) -> Path:
    """The shortest case, as the plainest example."""
    return min(sorted(folder.glob("*.yaml")), key=lambda path: len(path.read_bytes()))


def policy_page() -> Iterator[str]:
    """Every key of the policy file with its default."""
    yield from ("# The policy file", "", WARNING, "")
    yield from ("Every key but `apiVersion` and `kind` has a default; an unknown key is a fault.", "")
    yield from (
        "`catflap config check FILE` reports every fault with its line and column, and warns of settings that have no effect, in a file with faults too;",
        "`catflap config show FILE` spells out what a file leaves to its defaults. Every verb takes the file by itself, as the manifest of",
        "its ConfigMap, or from standard input (`-`, but for `serve` and `controller`). For editors there is a schema, by `catflap config schema` and",
        "[beside this page](policy.schema.json); the YAML language server takes it by this first line:",
        "",
        "```yaml",
        "# yaml-language-server: $schema=policy.schema.json",
        "```",
        "",
    )
    yield from ("| key | default | what it says |", "|---|---|---|")
    yield from keys(GuardPolicy.model_json_schema(by_alias=True), "", None)
    yield from ("", "## How much", "")
    yield from (
        "A file has no more of anything than the API server takes of what is written from it: each list as many items as the schema",
        f"says, and at most {MOST_NAMESPACES} names and prefixes in `namespaces.exempt`, `namespaces.reserved` and `namespaces.overrides` together,",
        f"{MOST_NAMESPACE_LABELS} labels in all overrides, {MOST_NAMESPACES} namespaces and {MOST_ACCOUNTS} ServiceAccounts in all claims of `roles`.",
        "",
    )
    yield from ("## Patterns", "")
    yield from (
        "A pattern of `workloads.require[].matches` means the same to catflap and, by `twin`, to the API server; so it is made of what",
        f"both read alike, in at most {LONGEST_PATTERN} characters:",
        f"{SUPPORTED_SYNTAX}.",
        "",
    )


def keys(schema: Mapping[str, Any], path: str, definitions: Mapping[str, Any] | None) -> Iterator[str]:
    """The rows of one mapping of the file, nested mappings after it."""
    known: Mapping[str, Any] = definitions if definitions is not None else schema.get("$defs", {})
    for key, field in schema["properties"].items():
        nested, dotted = inner(field, known)
        default = field.get("default", "")
        shown = "" if nested and not dotted else f"`{one_line(default)}`" if "default" in field else "required"
        yield f"| `{path}{key}` | {shown} | {field.get('description', '')} |"
        if nested is not None:
            yield from keys(nested, f"{path}{key}{dotted}.", known)


def inner(field: Mapping[str, Any], known: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, str]:
    """The mapping inside a field, and `[]` where the field is a list of them."""
    for variant in (field, *field.get("anyOf", ())):
        for one, dotted in ((variant, ""), (variant.get("items", {}), "[]")):
            found = known.get(str(one.get("$ref", "")).rpartition("/")[2])
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
