"""Bytes on disk: qemu-img under limits, explicit graphs, digests."""
