"""The inventory of boards: reading it, selecting from it, editing it."""
