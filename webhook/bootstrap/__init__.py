"""The only place that makes real parts and joins them: a module a process, and what they share."""
