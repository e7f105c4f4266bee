"""Networks that piyard builds itself or has built, with the names of their published weights."""
