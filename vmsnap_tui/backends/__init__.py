"""The arms that reach hypervisors; `base` says what each of them promises."""
