"""The HTTP edge: two lanes in front of one handler."""
