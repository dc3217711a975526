"""What an audit log says to an auditor: gathered in one reading, and shown as one page that needs nothing else."""
