"""The audit records: requests, answers and writes."""
