"""Limits of the policy file, chosen so that the API server accepts what catflap writes from it.

The API server accepts an expression of at most 100,000 characters that is nested at most 250 deep (cel-go, parser), and etcd an object of at most
1.5 MiB. With the largest policy file and the longest names, the written objects stay below these limits. Tests check this for
the texts (tests/unit/controller/test_limits.py) and of a real API server (tests/cluster/test_limits.py).
"""

from typing import Final

MOST_ALIASES: Final = 16
MOST_ROLES: Final = 256
MOST_REQUIRED: Final = 16
MOST_VALUES: Final = 256
LONGEST_PATTERN: Final = 1000
MOST_EXTRA_KINDS: Final = 100
LONGEST_TEMPLATE_PATH: Final = 150
MOST_OVERRIDES: Final = 100
MOST_PRINCIPALS: Final = 100
LONGEST_PRINCIPAL: Final = 253
MOST_ACCOUNTS: Final = 250
MOST_EXCEPTIONS: Final = 1000
# In total of all lists from which one expression is built.
MOST_NAMESPACES: Final = 1000
MOST_NAMESPACE_LABELS: Final = 64
