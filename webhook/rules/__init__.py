"""One rule a file; a new file here is a new rule, and nothing else has to be edited."""

from importlib import import_module
from pkgutil import iter_modules

from webhook.model.rule import rules_by_id

RULES = rules_by_id(import_module(f"{__name__}.{found.name}").RULE for found in iter_modules(__path__))
