"""Results set against each other: which are meant, which are alike, what became of them.

side.py reads what a user typed, chosen.py finds its results, pairs.py brings those of one job
together, alike.py refuses what conditions.py shows to be unlike, compared.py, table.py and
notes.py say what is left. For two builds that are measured for it, builds.py finds them, turns.py
is the order, and contest.py measures and measures again.
"""
