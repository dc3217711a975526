"""What an audit log and a policy file come to, as a page for an auditor."""
