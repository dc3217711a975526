"""Read YAML and JSON files as kubectl reads them, with the places and the faults of their objects."""
