"""The policy file: text to a `GuardPolicy`, all faults at once; and the one in force, swapped whole."""
