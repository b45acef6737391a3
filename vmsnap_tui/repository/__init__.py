"""Restore points on disk; FORMAT.md beside this file is the contract."""
