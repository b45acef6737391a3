"""Frozen values: what a machine, its disks, images, bitmaps, jobs and points are."""
