"""The standard streams of the command, and the exit code if one of them fails.

Every verb writes to the streams of this module, so no verb has to handle a full disk, a closed stream or a reader that
ends early (docs/exit-codes.md).
"""

import errno
import io
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import click

from webhook.files import reason
from webhook.model.abbreviation import printable

# As grep and diff do: their 1 is a result, and 2 is trouble, which includes a failed write.
EXIT_TROUBLE: Final = 2
# As a shell reports a program that a signal ended:
# https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html
EXIT_READER_ENDED: Final = 128 + signal.SIGPIPE
EXIT_INTERRUPTED: Final = 128 + signal.SIGINT
STDIN, STDOUT, STDERR = 0, 1, 2
# A closed descriptor is opened so that its use fails: standard input for writing, standard output for reading.
# Otherwise the next opened file would get its number, and would receive records or tables (gnulib, lib/stdopen.c).
SUBSTITUTES: Final = {STDIN: os.O_WRONLY, STDOUT: os.O_RDONLY, STDERR: os.O_WRONLY}
OUTPUT_ERRORS: Final = {errno.EBADF: "it is closed", errno.ENOSPC: "no space left on the device"}


def print_line(line: str) -> None:
    """Print one line for a person; codes replace characters that act on a terminal, such as those in a file name."""
    click.echo(printable(line))


def print_warning(line: str) -> None:
    """Print the same on standard error, as a message of catflap."""
    click.echo(f"catflap: {printable(line)}", err=True)


class CannotWriteError(Exception):
    """Standard output takes no more.

    The error is no OSError: a verb that expects an OSError from its own file must not confuse the two.
    """


class OutputStream(io.FileIO):
    """A standard stream that remembers its first failure, and drops all later output.

    `raises` says whether the failure ends the command. A message that standard error does not take cannot be reported
    at all.
    """

    def __init__(self, descriptor: int, *, raises: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.failure: OSError | None = None
        self._raises = raises

    def write(self, data: Any) -> int:
        """Write bytes; return how many were taken.  Raises CannotWriteError."""
        if self.failure is None:
            try:
                return super().write(data)
            except OSError as bad:
                self.failure = bad
                if self._raises:
                    raise CannotWriteError from bad
        return len(data)


def run(command: Callable[..., Any]) -> int:
    """Run the command with streams that detect failures; return its exit code."""
    closed = {number for number, one in enumerate((sys.stdin, sys.stdout, sys.stderr)) if one is None}
    output, errors = install_streams(closed)
    code = run_command(command)
    with suppress(CannotWriteError):
        sys.stdout.flush()
    sys.stderr.flush()
    if output.failure is not None:
        return report_failure(output.failure)
    return code or (EXIT_TROUBLE if errors.failure is not None and STDERR not in closed else 0)


def install_streams(closed: set[int]) -> tuple[OutputStream, OutputStream]:
    """Install streams that report their failures; `closed` has the numbers of those that the caller closed."""
    for number in sorted(closed):
        open_substitute(number)
    if STDIN in closed:
        sys.stdin = open(STDIN, encoding="utf-8", closefd=False)  # noqa: SIM115 (a descriptor, and as long as the process)
    output, errors = OutputStream(STDOUT, raises=True), OutputStream(STDERR, raises=False)
    sys.stdout = text_stream(output, sys.stdout, unencodable="backslashreplace")
    sys.stderr = text_stream(errors, sys.stderr, unencodable="backslashreplace", by_line=True)
    return output, errors


def open_substitute(number: int) -> None:
    """Open a closed descriptor so that its use fails; do nothing if it is open by now."""
    try:
        os.fstat(number)
    except OSError:
        found = os.open(os.devnull, SUBSTITUTES[number])
        if found != number:
            os.dup2(found, number)
            os.close(found)


def text_stream(raw: OutputStream, before: Any, *, unencodable: str, by_line: bool = False) -> io.TextIOWrapper:
    """Return a text stream over a raw one, in the encoding of the stream before it.

    `unencodable` says how to handle characters that the encoding does not have.
    """
    encoding = before.encoding if before is not None else "utf-8"
    return io.TextIOWrapper(
        io.BufferedWriter(raw), encoding=encoding, errors=unencodable, line_buffering=by_line or raw.isatty()
    )


def run_command(command: Callable[..., Any]) -> int:
    """Run the command; return its exit code.  A fault of the program itself passes through as an exception."""
    try:
        found = command(standalone_mode=False)
    except click.ClickException as bad:
        bad.show()
        return bad.exit_code
    except click.Abort:
        click.echo("catflap: stopped by the user", err=True)
        return EXIT_INTERRUPTED
    except CannotWriteError:
        return EXIT_TROUBLE
    except MemoryError:
        click.echo("catflap: this process reached its memory limit; pass less input at once", err=True)
        return EXIT_TROUBLE
    except SystemExit as end:
        return exit_code(end.code)
    return (
        found if isinstance(found, int) else 0
    )  # click gives the code of --help and --version, else the verb's result


def exit_code(status: object) -> int:
    """Return the exit code of a status of `sys.exit`; a text is a message, and its code is 1."""
    if isinstance(status, str):
        click.echo(status, err=True)
    return status if isinstance(status, int) else int(status is not None)


def report_failure(failure: OSError) -> int:
    """Report why standard output takes no more; return the exit code.

    A reader that ends early, such as `head`, has all that it wants, so there is no message then.
    """
    if failure.errno == errno.EPIPE:
        return EXIT_READER_ENDED
    reason_text = OUTPUT_ERRORS.get(failure.errno or 0, reason(failure))
    click.echo(f"catflap: standard output cannot be written: {reason_text}; the output is incomplete", err=True)
    return EXIT_TROUBLE
