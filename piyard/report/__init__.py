"""Rows as people and programs read them: tables, CSV, JSON, JUnit XML and one HTML page."""
