"""Rewrite a policy file on disk, or print it with the current names of its keys."""

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from webhook.cli._options import exit_with_errors, fault_lines
from webhook.cli._streams import print_warning
from webhook.config.enclosure import POLICY_FILE, NotTextError, text_of
from webhook.config.faults import BadPolicy
from webhook.config.migration import Change, Migrated, NotMigratedError, migrated
from webhook.files import STDIN, UnreadableFileError, read_file, read_stdin, replace_file, shown, unwritable
from webhook.model.encoding import detect_encoding

LINE: Final = re.compile(r"[^\n]*\n|[^\n]+")


def rewrite(path: Path, *, is_diff: bool) -> None:
    """Rewrite a file in place, or print the result for standard input; with `is_diff`, print a diff only.

    Ends the command with code 2 if the file cannot be read or rewritten, or has faults.
    """
    name = str(path)
    content, text = content_of(path)
    result = migrated_text(name, text)
    for change in result.changes:
        print_warning(change_line(name, change))
    if not result.changes:
        print_warning(f"{shown(name)}: no key of an earlier release; nothing to change")
    if is_diff:
        click.echo("".join(diff(name, text, result.text)), nl=False)
    elif name == STDIN:
        click.echo(encoded(result.text, content), nl=False)
    elif result.changes:
        try:
            replace_file(path, encoded(result.text, content))
        except OSError as bad:
            exit_with_errors([unwritable(path, bad)])


def content_of(path: Path) -> tuple[bytes, str]:
    """Return the bytes of a file and their text; end the command if it cannot be read."""
    try:
        content = read_stdin(POLICY_FILE) if str(path) == STDIN else read_file(path, POLICY_FILE)
        return content, text_of(content)
    except UnreadableFileError as bad:
        exit_with_errors([str(bad)])
    except NotTextError as bad:
        exit_with_errors([f"{shown(path)}: {bad}"])


def migrated_text(name: str, text: str) -> Migrated:
    """Return the result for the text of a file; end the command if it has faults or cannot be rewritten."""
    try:
        return migrated(text)
    except BadPolicy as bad:
        exit_with_errors(fault_lines(name, bad))
    except NotMigratedError as bad:
        exit_with_errors([f"{shown(name)}: not changed: {bad}", *(change_line(name, one) for one in bad.changes)])


def change_line(name: str, change: Change) -> str:
    """Return the line about one change, with the place of the key in the file before the change."""
    where = f"{shown(name)}:{change.place.line}:{change.place.column}" if change.place else shown(name)
    return f"{where}: {change.former} -> {change.current}" if change.current else f"{where}: {change.former} removed"


def encoded(text: str, before: bytes) -> bytes:
    """Return a text in the encoding of a file, with its byte order mark."""
    encoding, rest = detect_encoding(before)
    return before[: len(before) - len(rest)] + text.encode(encoding)


def diff(name: str, before: str, after: str) -> Iterator[str]:
    """Yield the lines of a unified diff, as `patch` reads them."""
    for line in difflib.unified_diff(LINE.findall(before), LINE.findall(after), shown(name), shown(name)):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
