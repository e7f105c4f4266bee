"""The images piyard makes: the cross compiler, and boards of an architecture.

A tag is a hash of the inputs, so a changed Dockerfile gives a new image and an unchanged one is
reused.
"""
