"""Convert AdmissionReviews to values and back; no other package knows the wire format."""
