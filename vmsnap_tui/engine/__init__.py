"""Effects: runs, journals, recovery; all that a front may call."""
