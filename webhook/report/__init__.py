"""The auditor's report on an audit log: records gathered in one reading, and one self-contained page."""
