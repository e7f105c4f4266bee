"""How right a model is, on data whose truth is known: its original, ncnn here, and nnrun on boards.

``dataset`` reads the data, ``desktop`` and ``board`` answer for its pictures, ``figures`` compares
the answers with the truth, ``kept`` stores what came out for the tables.
"""
