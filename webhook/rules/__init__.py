"""One rule a file; a new file here is a new rule, and nothing else has to be edited."""

from importlib import import_module
from pkgutil import iter_modules

from webhook.model.violation import registry

RULES = registry(import_module(f"{__name__}.{found.name}").RULE for found in iter_modules(__path__))
