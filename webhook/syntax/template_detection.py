"""Recognise manifests that a template engine has not rendered, and name the command that renders them."""

import re
from typing import Final, NamedTuple

# The command that reads the rendered text, unless the caller names another one.
CHECK_COMMAND: Final = "catflap check -c POLICY -"
LONGEST_QUOTE: Final = 60
QUOTE_ADVICE: Final = "if the braces are text, write the value in quotes"
# The beginning of a value or a line; in the middle of a text, braces may be literal.
BEGINNING: Final = r"(?m)^[ \t]*(?:-[ \t]+)*(?:[\w./\"'$(){}-]+:[ \t]+)?"
HELM_WORDS: Final = "if|else|end|range|with|include|template|define|block|toYaml|tpl|printf|default|required|quote|fail"


class TemplateEngine(NamedTuple):
    """A template engine; `structural` finds it in a text that is not YAML, `inline` in the value of a label.

    Both patterns take a time that is linear in the text: blanks never cross the end of a line, and no two runs of
    blanks meet.
    """

    called: str
    renders: str
    structural: re.Pattern[str]
    inline: re.Pattern[str]

    @property
    def with_article(self) -> str:
        """Return the engine's name for its templates, with an article."""
        return f"{'an' if self.called[0] in 'AEIO' else 'a'} {self.called}"

    def says(self, quoted: str, reader: str) -> str:
        """Return the sentence for a text with such a template, and quote a part of it."""
        advice = f"; {QUOTE_ADVICE}" if "{{" in quoted and not quoted.startswith("{{") else ""
        quoted = f"{quoted[:LONGEST_QUOTE]}…" if len(quoted) > LONGEST_QUOTE else quoted
        return f"{self.with_article} that is not rendered: {quoted}; {self.renders} | {reader}{advice}"


def never() -> re.Pattern[str]:
    """Return a pattern that matches nothing."""
    return re.compile(r"(?!)")


ENVSUBST: Final = TemplateEngine(
    "text with variables for envsubst",
    "replace the variables first: envsubst < FILE",
    re.compile(r"\$\{[A-Za-z_][^}\n]{0,200}\}"),
    re.compile(r"\$\{[A-Za-z_]\w*"),
)
ENGINES: Final = (
    TemplateEngine(
        "Jinja template",
        "render it first and pass the result: …",
        re.compile(r"\{%-?\s*\w+"),
        re.compile(r"\{%"),
    ),
    TemplateEngine(
        "Helm template",
        "render the chart first: helm template NAME CHART",
        re.compile(rf"{BEGINNING}\{{\{{-?\s*(?:[.$(]|/\*|-?\s*(?:{HELM_WORDS})\b)[^\n]*"),
        re.compile(rf"\{{\{{-?\s*(?:[.$(]|(?:{HELM_WORDS})\b)"),
    ),
    TemplateEngine(
        "template with {{ … }}",
        "render it first and pass the result: …",
        re.compile(rf"{BEGINNING}\{{\{{[^\n]*"),
        re.compile(r"\{\{"),
    ),
    TemplateEngine(
        "ERB template",
        "render it first and pass the result: …",
        re.compile(r"<%[-=]?\s*\w+"),
        re.compile(r"<%"),
    ),
    TemplateEngine(
        "Jsonnet program",
        "evaluate it first: jsonnet FILE",
        re.compile(
            r"(?m)^[ \t]*(?:local[ \t]+\w+(?:[ \t]*\(.*\))?[ \t]*=|(?:\([ \t]*)?import[ \t]+['\"]|function[ \t]*\()"
        ),
        never(),
    ),
    ENVSUBST,
    TemplateEngine(
        "text with a variable of kustomize",
        "build it first: kubectl kustomize FOLDER",
        never(),
        re.compile(r"\$\([A-Za-z_]"),
    ),
)


class UnrenderedTemplate(NamedTuple):
    """A template in a text: a description in words, and its line and column in the text."""

    says: str
    line: int
    column: int


def find_template(text: str, near: int, reader: str = CHECK_COMMAND) -> UnrenderedTemplate | None:
    """Return the template that makes a text unreadable; None if no engine is recognised.

    `near` is the line in which the text cannot be read. Variables for envsubst count only there, because shell scripts
    have variables of their own. `reader` is the command that reads the rendered text.
    """
    for engine in ENGINES:
        if engine is ENVSUBST and text.lstrip().startswith("{"):
            continue  # settings of other programs have similar variables
        for found in engine.structural.finditer(text):
            begins = found.start() + len(found[0]) - len(found[0].lstrip())
            line = text.count("\n", 0, begins) + 1
            if engine is not ENVSUBST or near - 1 <= line <= near:
                column = begins - (text.rfind("\n", 0, begins) + 1) + 1
                return UnrenderedTemplate(engine.says(found[0].strip(), reader), line, column)
            if line > near:
                break
    return None


def label_value_hint(value: str) -> str:
    """Return advice about a label value that is an unrendered template; empty for any other value."""
    engine = next((one for one in ENGINES if one.inline.search(value)), None)
    return f"it looks like part of {engine.with_article}; {engine.renders} | {CHECK_COMMAND}" if engine else ""
