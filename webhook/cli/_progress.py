"""How far a long reading has come."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from webhook.audit.reading import size


@contextmanager
def progress(files: tuple[str, ...], doing: str, *, prints: bool = False) -> Iterator[Callable[..., None]]:
    """A bar on standard error while files are read, on a terminal only; none there where the command `prints` meanwhile."""
    console = Console(stderr=True)
    shown = console.is_terminal and not (prints and sys.stdout.isatty())
    with Progress(
        doing, BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console, transient=True, disable=not shown
    ) as bar:
        task = bar.add_task("", total=size(files) or None)

        def moved(read: int, before: int = 0) -> None:
            bar.update(task, completed=before + read)

        yield moved
