"""Show the progress of a long read."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from webhook.audit.log_lines import total_size


@contextmanager
def progress(files: tuple[str, ...], doing: str, *, prints: bool = False) -> Iterator[Callable[..., None]]:
    """Show a bar on standard error during a read, on a terminal only, unless the command `prints` there too."""
    console = Console(stderr=True)
    shown = console.is_terminal and not (prints and sys.stdout.isatty())
    with Progress(
        doing, BarColumn(), DownloadColumn(), TimeRemainingColumn(), console=console, transient=True, disable=not shown
    ) as bar:
        task = bar.add_task("", total=total_size(files) or None)

        def moved(read: int, before: int = 0) -> None:
            bar.update(task, completed=before + read)

        yield moved
