"""Judges that we did not write: Calico's own selector parser, Go's regular expressions, and an analyzer that says who reaches whom.

A renderer that is tested by its author's reading of the engines shares the author's mistakes.  Here, what we print is read by
Calico's code and by network-config-analyzer, and what the policy file means is said once more in a few lines (`meaning.py`)
that know nothing of how we render.
"""
