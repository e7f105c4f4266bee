"""The inventory: the boards of ``targets/fleet.yaml`` and of the user's own ``fleet.yaml``.

A board may be in either file. Where it is in both, the user's keys override the checkout's.
"""
