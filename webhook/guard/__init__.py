"""Request by policy by what is known: a decision.  Pure: no clock, no I/O, no logging."""
