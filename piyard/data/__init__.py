"""Pictures whose truth is known: one loader a format, for evaluation, calibration and training.

``formats`` recognises a folder's format and opens it, ``dataset`` says what comes of it; the other
modules read a format each.
"""
