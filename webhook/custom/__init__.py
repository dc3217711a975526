"""Rules in CEL: compiled when the policy file is read, bounded in what they may cost, judged beside the built-in ones.

The library has one door, `library.py`; the functions that Kubernetes adds to CEL are plain Python (docs/decisions/0015).
"""
