"""Parse a policy file into a `GuardPolicy`, report all its faults together, and keep the policy in force."""
