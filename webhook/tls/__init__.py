"""Issue certificates, and serve the certificate of a folder with reload."""
