"""The text of files: YAML and JSON as kubectl reads them, the objects in it with their places, and what is wrong with it."""
