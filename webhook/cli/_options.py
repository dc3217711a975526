"""Options that several verbs share, and the conversion of their texts to values.

An option has one name in every verb: -c/--policy, -n/--namespace, -o/--output, --kubeconfig, --context
(tests/contracts/test_options.py).
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

import click

from webhook.cli._streams import print_warning
from webhook.config.enclosure import POLICY_FILE, NotTextError, parse_file, text_of
from webhook.config.faults import BadPolicy, NoPolicy, PolicyFault
from webhook.config.parse import Loaded
from webhook.files import MANIFEST_FILES, STDIN, UnreadableFileError, read_file, read_stdin, shown, unreadable
from webhook.model.abbreviation import printable
from webhook.model.fields import namespace_name
from webhook.model.names import DEFAULT_NAMESPACE

BAD_INPUT: Final = 2
EMPTY_INPUT: Final = "; if another command writes it to standard input, check whether that command failed"
EMPTY_TEXT: Final = '"" is empty; if it comes from a shell variable, the variable is empty'
Function = TypeVar("Function", bound=Callable[..., Any])


class FileName(click.ParamType[str]):
    """The name of a file or folder to read; `missing` says what to give if it is absent.

    The option does not check whether the file is readable. The read itself (`webhook.files`) reports that, so that
    every verb uses the same words.
    """

    name = "FILE"

    def __init__(self, missing: str | None = None) -> None:
        self._missing = missing

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str | None:  # noqa: ARG002 (click's signature)
        """Return what to give."""
        return self._missing

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name as the user wrote it."""
        if value == "":
            self.fail('"" is not a file name; if it comes from a shell variable, the variable is empty', param, ctx)
        return str(value)


class FilePath(click.ParamType[Path]):
    """The same as a path."""

    name = "FILE"

    def __init__(self, missing: str | None = None) -> None:
        self._file_name = FileName(missing)

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str | None:
        """Return what to give."""
        return self._file_name.get_missing_message(param, ctx)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        return Path(self._file_name.convert(value, param, ctx))


FILE_NAME: Final = FileName()
FILE: Final = FilePath()
MANIFESTS: Final = FileName("Pass files, folders or - for standard input.")
LOGS: Final = FileName("Pass the files of a log, oldest first, or - for standard input.")
POLICY: Final = FilePath("Pass a policy file; catflap config show > policy.yaml writes one with every default.")


class TextType(click.ParamType[str]):
    """Any text that is not empty: an empty one would count as an option that is not given."""

    name = "TEXT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        if value == "":
            self.fail(EMPTY_TEXT, param, ctx)
        return str(value)


class RenamedOption(click.Option):
    """An option with former names, which still work and are not in the help."""

    def __init__(self, *arguments: Any, former: tuple[str, ...], **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._former = former
        self.opts = [*self.opts, *former]

    def get_error_hint(self, ctx: click.Context | None) -> str:  # noqa: ARG002 (click's signature)
        """Return the names of the option for a message about it."""
        return " / ".join(f"'{name}'" for name in self.opts if name not in self._former)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the names and the help of the option."""
        known = self.opts
        self.opts = [name for name in known if name not in self._former]
        try:
            return super().get_help_record(ctx)
        finally:
            self.opts = known


class SingleOption(click.Option):
    """An option that a user may give once; click itself would silently use the last of two values."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        if "default" in named:
            named["default"] = (named["default"],)
        super().__init__(*arguments, **{**named, "multiple": True})

    def process_value(self, ctx: click.Context, value: Any) -> Any:
        """Return the one value, or None.  Raises click.BadParameter if there are several."""
        found = super().process_value(ctx, value)
        if len(found) > 1:
            raise click.BadParameter(
                f"the option occurs {len(found)} times ({', '.join(map(str, found))}); use it once", ctx, self
            )
        return found[0] if found else None


class NamespaceType(click.ParamType[str]):
    """The name of a namespace."""

    name = "NAME"

    def get_missing_message(self, param: click.Parameter, ctx: click.Context | None) -> str:  # noqa: ARG002 (click's signature)
        """Return what to give."""
        return "Pass the name of a namespace, such as shop."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        try:
            return namespace_name(str(value))
        except ValueError as bad:
            self.fail(str(bad), param, ctx)


NAMESPACE: Final = NamespaceType()


def policy_option(
    *, required: bool, help_text: str = "The policy file, or the manifest of its ConfigMap; - is standard input."
) -> Callable[[Function], Function]:
    """Return the option `-c/--policy FILE` of the verbs that read a policy file once."""
    return click.option(
        "-c", "--policy", "policy", cls=SingleOption, type=POLICY, metavar="FILE", required=required, help=help_text
    )


policy_file = policy_option(required=True)


def own_namespace_option(*, help_text: str) -> Callable[[Function], Function]:
    """Return the option `--own-namespace NAME` of the verbs that judge manifests without a cluster."""
    return click.option(
        "--own-namespace",
        cls=SingleOption,
        type=NAMESPACE,
        default=DEFAULT_NAMESPACE,
        show_default=True,
        help=help_text,
    )


def cluster_options(function: Function) -> Function:
    """Add `--kubeconfig` and `--context`."""
    options = (
        click.option("--kubeconfig", cls=SingleOption, metavar="FILE", type=FILE_NAME, help="The kubeconfig; the default "
                                                                                      "is that of kubectl."),
        click.option("--context", cls=SingleOption, type=TextType(), metavar="NAME", help="The context in the kubeconfig; the default is "
                                                                   "its current context."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def load_policy(path: Path) -> Loaded:
    """Return the policy in a file or in its ConfigMap's manifest; end the command with every fault of a bad one.

    Warnings about keys of earlier releases go to standard error.
    """
    return load_policies(path)[0]


def load_policies(*paths: Path, manifests: Iterable[str] = ()) -> list[Loaded]:
    """Return several policies; end the command with every fault of all of them, and with the manifests that do not exist.

    Warnings about keys of earlier releases go to standard error.
    """
    found, faults = parse_all(paths)
    if faults:
        exit_with_errors([*faults, *unreadable(manifests, MANIFEST_FILES, or_folder=True)])
    for path, loaded in zip(paths, found, strict=True):
        print_warnings(str(path), loaded.warnings)
    return found


def check_policy(path: Path) -> Loaded:
    """Return a policy without warnings, for a verb that logs them when the policy is in force."""
    found, faults = parse_all([path])
    if faults:
        exit_with_errors(faults)
    return found[0]


def parse_all(paths: Iterable[Path]) -> tuple[list[Loaded], list[str]]:
    """Return the policies of the files that are valid, and every fault of the others."""
    found: list[Loaded] = []
    faults: list[str] = []
    for path in paths:
        try:
            found.append(parse_file(read_text(path)))
        except BadPolicy as bad:
            faults += fault_lines(str(path), bad)
        except UnreadableFileError as bad:
            faults.append(str(bad))
    return found, faults


def print_warnings(name: str, warnings: Iterable[PolicyFault]) -> None:
    """Print warnings about a policy file on standard error, as lines that editors can jump to."""
    for warning in warnings:
        click.echo(printable(f"{fault_location(name, warning)}: warning: {warning}"), err=True)


def read_text(path: Path) -> str:
    """Return the text of a policy file, or of standard input.  Raises UnreadableFileError."""
    content = read_stdin(POLICY_FILE) if str(path) == STDIN else read_file(path, POLICY_FILE)
    try:
        return text_of(content)
    except NotTextError as bad:
        raise UnreadableFileError(f"{shown(path)}: {bad}") from None


def check_stdin_once(paths: Iterable[Path | str | None]) -> None:
    """End the command if standard input is named more than once, as only one read is possible."""
    if sum(str(path) == STDIN for path in paths) > 1:
        exit_with_errors(["-: standard input can be read only once; replace one of the two with a file"])


def check_files(*named: tuple[Iterable[Path | str], str]) -> None:
    """End the command if files cannot be opened, with a message for each; a verb that reads them in turn would name the first.

    Each argument has paths and the noun of what is expected there.
    """
    if faults := [line for paths, noun in named for line in unreadable(paths, noun)]:
        exit_with_errors(faults)


def fault_lines(name: str, bad: BadPolicy) -> list[str]:
    """Return each fault of a policy file as a line that editors can jump to: FILE:LINE:COLUMN: PATH: what is wrong."""
    hint = EMPTY_INPUT if name == STDIN and isinstance(bad, NoPolicy) else ""
    return [f"{fault_location(name, fault)}: {fault}{hint}" for fault in bad.faults]


def fault_location(name: str, fault: PolicyFault) -> str:
    """Return the place of a fault: FILE:LINE:COLUMN."""
    shown_name = printable(name)
    return f"{shown_name}:{fault.place.line}:{fault.place.column}" if fault.place else shown_name


def exit_with_errors(lines: list[str]) -> NoReturn:
    """End the command for bad input, with each fault on its line."""
    for line in lines:
        print_warning(line)
    raise SystemExit(BAD_INPUT)
