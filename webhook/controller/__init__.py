"""What keeps namespaces closed: a level-triggered loop over all of them."""
