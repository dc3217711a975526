"""AdmissionReview to values and back; the wire format is known here and nowhere else."""
