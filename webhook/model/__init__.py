"""The nouns: frozen values, and nothing else of ours is imported here.

What an admin writes (`policy`) is pydantic, because a person reads its faults; what a request brings (`request`,
`workload`) is msgspec, because every Pod of a cluster passes through it.
"""
