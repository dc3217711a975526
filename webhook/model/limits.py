"""How much of each thing a policy file may have: as much as the API server takes of what is written from it.

It takes an expression of at most 100,000 characters that is nested at most 250 deep (cel-go, parser), and etcd an object of at most
1.5 MiB. Where a file has as much as it may, with every name as long as it can be, what is written stays below that; tests say so of
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
# Of all lists of the file that one expression is made from.
MOST_NAMESPACES: Final = 1000
MOST_NAMESPACE_LABELS: Final = 64
