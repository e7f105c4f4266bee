"""Boards of a labgrid farm."""
