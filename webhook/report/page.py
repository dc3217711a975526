"""A page as one HTML file that needs nothing else: no script, no request."""

import base64
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from webhook.audit.entry import printable
from webhook.report.section import Page, Picture, number

TEMPLATE: Final = "page.html.j2"


def html(page: Page) -> str:
    """The page; whatever a log says stands in it as text, and what would turn the writing round as its code."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=shown, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((files(__package__) / TEMPLATE).read_text(encoding="utf-8"))
    return template.render(page=page, source=source)


def shown(value: Any) -> Any:
    """A value as it is put in; figures get their separators."""
    if isinstance(value, Markup):
        return value
    return number(value) if isinstance(value, int | float) else printable(str(value))


def source(picture: Picture) -> Markup:
    """A picture as a data URL: what it defines cannot meet what the page does."""
    coded = base64.b64encode(picture.svg.encode()).decode("ascii")
    return Markup(f"data:image/svg+xml;base64,{coded}")  # noqa: S704 (base64 has nothing to escape)
