"""The tasks of the command line, by what they are about: parse, call, print. No logic."""
