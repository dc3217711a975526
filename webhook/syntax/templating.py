"""Manifests that a template engine has not rendered yet: which engine it is, and which command renders them."""

import re
from typing import Final, NamedTuple

PIPE: Final = "| catflap check -c POLICY -"
AS_TEXT: Final = "where the braces are meant as text, write the value in quotes"
# Where a value or a line begins; in the middle of a text braces may stand for themselves.
BEGINS: Final = r"(?m)^[ \t]*(?:-[ \t]+)*(?:[\w./\"'$(){}-]+:[ \t]+)?"
HELM_WORDS: Final = "if|else|end|range|with|include|template|define|block|toYaml|tpl|printf|default|required|quote|fail"


class Engine(NamedTuple):
    """A template engine; `structural` finds it in a text that is no YAML, `inline` in the value of a label.

    Both take a time that is linear in the text: blanks never run over the end of a line, and no two runs of them meet.
    """

    called: str
    renders: str
    structural: re.Pattern[str]
    inline: re.Pattern[str]

    @property
    def with_article(self) -> str:
        """Return what it is called, with its article."""
        return f"{'an' if self.called[0] in 'AEIO' else 'a'} {self.called}"


def never() -> re.Pattern[str]:
    """Return a pattern that matches nothing."""
    return re.compile(r"(?!)")


ENVSUBST: Final = Engine(
    "text with variables for envsubst",
    f"put their values in first: envsubst < FILE {PIPE}",
    re.compile(r"\$\{[A-Za-z_][^}\n]{0,200}\}"),
    re.compile(r"\$\{[A-Za-z_]\w*"),
)
ENGINES: Final = (
    Engine(
        "Jinja template",
        f"render it first and give the result: … {PIPE}",
        re.compile(r"\{%-?\s*\w+"),
        re.compile(r"\{%"),
    ),
    Engine(
        "Helm template",
        f"render the chart first: helm template NAME CHART {PIPE}",
        re.compile(rf"{BEGINS}\{{\{{-?\s*(?:[.$(]|/\*|-?\s*(?:{HELM_WORDS})\b)[^\n]*"),
        re.compile(rf"\{{\{{-?\s*(?:[.$(]|(?:{HELM_WORDS})\b)"),
    ),
    Engine(
        "template with {{ … }}",
        f"render it first and give the result: … {PIPE}",
        re.compile(rf"{BEGINS}\{{\{{[^\n]*"),
        re.compile(r"\{\{"),
    ),
    Engine(
        "ERB template",
        f"render it first and give the result: … {PIPE}",
        re.compile(r"<%[-=]?\s*\w+"),
        re.compile(r"<%"),
    ),
    Engine(
        "Jsonnet program",
        f"evaluate it first: jsonnet FILE {PIPE}",
        re.compile(
            r"(?m)^[ \t]*(?:local[ \t]+\w+(?:[ \t]*\(.*\))?[ \t]*=|(?:\([ \t]*)?import[ \t]+['\"]|function[ \t]*\()"
        ),
        never(),
    ),
    ENVSUBST,
    Engine(
        "text with a variable of kustomize",
        f"build it first: kubectl kustomize FOLDER {PIPE}",
        never(),
        re.compile(r"\$\([A-Za-z_]"),
    ),
)
LONGEST_QUOTE: Final = 60


class Unrendered(NamedTuple):
    """A template in a text: in words, and in which line and column of the text it begins."""

    says: str
    line: int
    column: int


def unrendered(text: str) -> Unrendered | None:
    """Return what template a text that is no YAML is; None where no engine is recognised."""
    for engine in ENGINES:
        if engine is ENVSUBST and text.lstrip().startswith("{"):
            continue  # settings of other programs have such variables of their own
        if found := engine.structural.search(text):
            begins = found.start() + len(found[0]) - len(found[0].lstrip())
            quoted = found[0].strip()
            advice = f"; {AS_TEXT}" if "{{" in quoted and not quoted.startswith("{{") else ""
            quoted = f"{quoted[:LONGEST_QUOTE]}…" if len(quoted) > LONGEST_QUOTE else quoted
            line = text.count("\n", 0, begins) + 1
            column = begins - (text.rfind("\n", 0, begins) + 1) + 1
            return Unrendered(
                f"{engine.with_article} that is not rendered: {quoted}; {engine.renders}{advice}", line, column
            )
    return None


def hint(value: str) -> str:
    """Return what to do about a label value that a template engine has left as it is; empty where it is none."""
    engine = next((one for one in ENGINES if one.inline.search(value)), None)
    return f"it looks like part of {engine.with_article}; {engine.renders}" if engine else ""
