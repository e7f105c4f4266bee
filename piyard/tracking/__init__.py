"""Objects followed from frame to frame: reference trackers, their data and figures.

nnrun tracks on the board; what is here computes the same on the desktop, and judges both.
"""
