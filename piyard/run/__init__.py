"""Jobs on boards: planned, prepared, scheduled, deployed, run, and what they wrote."""
