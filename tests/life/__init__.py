"""Whole lives of machines, from the command line, by somebody who knows no code."""
