"""The composition root: builds the real parts of each process and connects them."""
