"""Admission decisions, computed from a request, a policy and lookup results. Pure: no clock, no I/O, no logging."""
