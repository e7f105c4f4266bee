"""The same job done by piyard and by others, on the same boards in the same run."""
