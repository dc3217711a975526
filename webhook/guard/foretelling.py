"""What a policy file would change, in a few warnings that kubectl prints."""

from collections.abc import Iterable, Iterator

from webhook.guard.comparing import changes, closings
from webhook.guard.existing import Existing
from webhook.guard.preview import Effect, Setting, preview
from webhook.model.counting import counted
from webhook.model.policy import GuardPolicy

# What the API's own conventions ask of a warning.
LONGEST = 120
REST = "; see catflap preview"


def foretold(
    objects: Iterable[Existing],
    after: GuardPolicy,
    before: GuardPolicy,
    setting: Setting,
    *,
    more: Iterable[str] = (),
    named: bool = True,
) -> tuple[str, ...]:
    """Who would be newly refused, or no longer, and which namespaces will be closed or no longer; nothing if nothing is.

    `more` are the kinds of which not all objects are given. Unless `named`, objects are counted and not named: the reader may not
    see them.
    """
    lines = list(turns(objects, after, before, setting, named=named))
    lines += [
        listed(f"{counted(len(names), 'namespace')} {words}", names if named else ())
        for words, names in closings(after, before, setting)
    ]
    if cut := list(more):
        lines.append(fitted(f"previewed in part: there are more {', '.join(cut)} than were looked at{REST}"))
    return tuple(lines)


def turns(
    objects: Iterable[Existing], after: GuardPolicy, before: GuardPolicy, setting: Setting, *, named: bool
) -> Iterator[str]:
    """Who would be refused and was not, and the other way round; and which rules may refuse more."""
    new, old = preview(objects, (after, before), setting)
    refused_then, refused_now = (
        {row.owner for row in found.rows if row.effect is Effect.REFUSED} for found in (new, old)
    )
    spared = {one.owner for one in changes(new, old) if one.after and one.after.keeps_running}
    if newly := sorted(refused_then - refused_now):
        yield listed(f"{counted(len(newly), 'running workload')} would be refused", map(str, newly if named else ()))
        if older := len(spared.intersection(newly)):
            yield f"{older} of them older than catflap: their Pods are admitted until they are changed themselves"
    if freed := sorted(refused_now - refused_then):
        yield listed(
            f"{counted(len(freed), 'running workload')} would be refused no longer", map(str, freed if named else ())
        )
    if new.unchecked:
        yield listed("custom rules not previewed, by what they read", dict.fromkeys(one.rule for one in new.unchecked))


def listed(words: str, names: Iterable[str]) -> str:
    """A count and the first names, as many as a warning has room for."""
    rest = list(names)
    line = f"{words}: " if rest else words
    while rest:
        comma = "" if line.endswith(": ") else ", "
        end = f" and {len(rest) - 1} more" if len(rest) > 1 else ""
        if comma and len(line) + len(comma) + len(rest[0]) + len(end) > LONGEST:
            return fitted(f"{line} and {len(rest)} more")
        line += f"{comma}{rest.pop(0)}"
    return fitted(line)


def not_previewed(reason: str) -> str:
    """Why nothing is foretold."""
    return fitted(f"not previewed: {' '.join(reason.split())}")


def fitted(line: str) -> str:
    """A warning no longer than it should be."""
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
