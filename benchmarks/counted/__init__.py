"""An emulated board's programs, run here with their instructions counted exactly."""
