"""Custom rules in CEL: compiled when the policy file is loaded, limited in cost, evaluated together with the built-in rules.

Only `library.py` imports the CEL library. Expressions call only functions of the library, none of catflap (docs/decisions/0015).
"""
