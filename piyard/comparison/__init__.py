"""Stored results set against each other: which are meant, which are alike, what became of them.

side.py reads what a user typed, chosen.py finds its results, pairs.py brings those of one job
together, alike.py refuses what conditions.py shows to be unlike, and compared.py says what is
left. turns.py and builds.py are for two builds that are measured for it.
"""
