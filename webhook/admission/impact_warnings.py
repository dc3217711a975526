"""Warnings that kubectl prints about the impact of a policy file."""

from collections.abc import Iterable, Iterator

from webhook.admission.owner_graph import ExistingObject
from webhook.admission.policy_diff import isolation_changes, outcome_changes
from webhook.admission.preview import Effect, PreviewContext, preview
from webhook.model.counting import counted
from webhook.model.policy import GuardPolicy

# The longest warning by the API conventions of Kubernetes.
MAX_WARNING_LENGTH = 120
SEE_PREVIEW = "; see catflap preview"


def impact_warnings(
    objects: Iterable[ExistingObject],
    after: GuardPolicy,
    before: GuardPolicy,
    setting: PreviewContext,
    *,
    more: Iterable[str] = (),
    named: bool = True,
) -> tuple[str, ...]:
    """Return warnings of workloads and namespaces whose refusal or isolation would start or end; empty if there are none.

    `more` are the kinds of which `objects` has only a part. Unless `named`, objects are only counted, because the reader may lack the
    right to see them.
    """
    lines = list(workload_warnings(objects, after, before, setting, named=named))
    lines += [
        with_names(f"{counted(len(names), 'namespace')} {words}", names if named else ())
        for words, names in isolation_changes(after, before, setting)
    ]
    if cut := list(more):
        lines.append(
            truncated(f"incomplete preview: the cluster has more {', '.join(cut)} than the preview reads{SEE_PREVIEW}")
        )
    return tuple(lines)


def workload_warnings(
    objects: Iterable[ExistingObject], after: GuardPolicy, before: GuardPolicy, setting: PreviewContext, *, named: bool
) -> Iterator[str]:
    """Yield warnings of workloads whose refusal would start or end, and of custom rules that are not previewed."""
    new, old = preview(objects, (after, before), setting)
    refused_then, refused_now = (
        {row.owner for row in found.rows if row.effect is Effect.REFUSED} for found in (new, old)
    )
    spared = {one.owner for one in outcome_changes(new, old) if one.after and one.after.keeps_running}
    if newly := sorted(refused_then - refused_now):
        yield with_names(
            f"{counted(len(newly), 'running workload')} would be rejected", map(str, newly if named else ())
        )
        if older := len(spared.intersection(newly)):
            yield f"{older} of them are older than catflap: their Pods are admitted until the workload changes"
    if freed := sorted(refused_now - refused_then):
        yield with_names(
            f"{counted(len(freed), 'running workload')} would no longer be rejected", map(str, freed if named else ())
        )
    if new.unchecked:
        yield with_names(
            "custom rules not previewed (they read data that is unavailable)",
            dict.fromkeys(one.rule for one in new.unchecked),
        )


def with_names(words: str, names: Iterable[str]) -> str:
    """Return a warning with a count and as many names as fit."""
    rest = list(names)
    line = f"{words}: " if rest else words
    while rest:
        comma = "" if line.endswith(": ") else ", "
        end = f" and {len(rest) - 1} more" if len(rest) > 1 else ""
        if comma and len(line) + len(comma) + len(rest[0]) + len(end) > MAX_WARNING_LENGTH:
            return truncated(f"{line} and {len(rest)} more")
        line += f"{comma}{rest.pop(0)}"
    return truncated(line)


def not_previewed(reason: str) -> str:
    """Return the warning that there is no preview, with the reason."""
    return truncated(f"not previewed: {' '.join(reason.split())}")


def truncated(line: str) -> str:
    """Return a warning, cut to the longest allowed length."""
    return line if len(line) <= MAX_WARNING_LENGTH else f"{line[: MAX_WARNING_LENGTH - 1]}…"
