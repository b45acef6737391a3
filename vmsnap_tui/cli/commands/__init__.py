"""One module a verb; `cli.main` finds them by name."""
