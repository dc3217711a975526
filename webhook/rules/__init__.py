"""Built-in rules, one per file. Each file here is registered automatically."""

from importlib import import_module
from pkgutil import iter_modules

from webhook.model.rule import rules_by_id

RULES = rules_by_id(import_module(f"{__name__}.{found.name}").RULE for found in iter_modules(__path__))
