"""The command line: tasks with their flags, and what each does: decide, confirm, act, print."""
