"""The record of who asked what and what was answered, and of what was written."""
