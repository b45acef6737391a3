"""QEMU by its own monitor protocol."""
