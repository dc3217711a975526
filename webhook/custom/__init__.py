"""Rules in CEL: compiled when the policy file is read, bounded in what they may cost, judged beside the built-in ones.

The library has one door, `library.py`; expressions call what it has itself, and nothing of ours (docs/decisions/0015).
"""
