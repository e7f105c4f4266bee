"""The ground floor: errors, console, paths, files, YAML, targets; no model and no board."""
