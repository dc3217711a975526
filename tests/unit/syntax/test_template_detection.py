"""Check that unrendered templates are recognised by their engine's syntax, and that other text is not."""

import time
from typing import Final

import pytest

from webhook.syntax.documents import BadManifestError, located_objects
from webhook.syntax.template_detection import find_template

SECONDS: Final = 3.0  # the texts take some hundredths; a pattern that backtracks takes minutes


@pytest.mark.parametrize(
    ("text", "called", "line", "command"),
    [
        ("{{- if .Values.x }}\na: 1\n{{- end }}\n", "a Helm template", 1, "helm template NAME CHART | catflap check"),
        ("a: 1\nb: {{ .Release.Name }}\n", "a Helm template", 2, "helm template"),
        ('a: 1\nb: {{ include "x" . | nindent 4 }}\n', "a Helm template", 2, "helm template"),
        ("a:\n  {{- toYaml .Values.x | nindent 2 }}\nb: c: d\n", "a Helm template", 2, "helm template"),
        ("a:\n- {{ $x }}: b\n", "a Helm template", 2, "helm template"),
        ("{{/* a comment */}}\na: 1\n", "a Helm template", 1, "helm template"),
        ("{% for x in y %}\na: 1\n{% endfor %}\n", "a Jinja template", 1, "render it first"),
        ("a: {{ name }}\n", "a template with {{ … }}", 1, "render it first"),
        ("a: <%= x %>: y\nb: - c", "an ERB template", 1, "render it first"),
        ('local k = import "k.libsonnet";\n{a: k.x}\n', "a Jsonnet program", 1, "jsonnet FILE"),
        ("a: {b: ${X}}\n", "a text with variables for envsubst", 1, "envsubst < FILE"),
    ],
)
def test_template_has_the_command_that_renders_it(text: str, called: str, line: int, command: str) -> None:
    """The message also has the place where it begins."""
    [bad] = located_objects(text)
    assert isinstance(bad, BadManifestError)
    assert str(bad).startswith(f"{called} that is not rendered: ")
    assert command in str(bad)
    assert bad.place is not None
    assert bad.place.line == line


@pytest.mark.parametrize(
    "text",
    [
        "a: b: c",
        "a: [1",
        "a: 'x",
        "a: \tb: c",
        "message: the {{ value }} of it: b: c",
        "a: $x: b: c",
        "- a\nb: c\n",
        '{"a": "${X}" 1}',
    ],
)
def test_other_faults_are_left_to_the_parser(text: str) -> None:
    """Braces in the middle of a text are no template."""
    assert find_template(text, 1) is None
    [bad] = located_objects(text)
    assert str(bad).startswith("not YAML: ")


@pytest.mark.parametrize(
    "text",
    [
        'expr: "{{ $labels.job }} is down"\n', "text: |\n  {{ .Values.x }}\n  {% if x %}\n", "command: [sh, -c, 'echo ${HOME}']\n",
        "a: ${X}\n", "a: $(X)\n", "# {{ .Values.x }}\na: b\n",
    ],
)  # fmt: skip
def test_readable_text_with_braces_is_no_template(text: str) -> None:
    """Kubernetes itself uses such texts; only labels are checked."""
    assert [isinstance(one, BadManifestError) for one in located_objects(text)] == [False]


@pytest.mark.parametrize(
    "text",
    ["x: y: z" + "\n" * 20_000, "x: y: z\n" + "    \n" * 20_000, "{" + " \n" * 20_000, "a: b: " + "${a" * 20_000, "a: b: " + "local x" + " " * 40_000],
)  # fmt: skip
def test_no_text_takes_long_to_examine(text: str) -> None:
    """A pattern that crosses blank lines or backtracks over blanks would take minutes.

    The test compares processor time with a limit far above the normal time.
    """
    began = time.process_time()
    list(located_objects(text))
    assert time.process_time() - began < SECONDS
