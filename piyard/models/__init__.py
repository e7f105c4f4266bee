"""What is measured: models as their YAML files describe them, their networks and weights."""
