"""Widgets of our own: a virtual table, a job panel, a chain map."""
