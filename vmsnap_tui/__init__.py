"""Interactive snapshots and backups of QEMU/KVM machines."""

__version__ = "0.1.0"
