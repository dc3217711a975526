"""Frozen values, which import nothing else of catflap.

The policy file (`policy`) uses pydantic, because an administrator reads its error messages. Requests (`request`,
`workload`) use msgspec, because every Pod of a cluster passes through them.
"""
