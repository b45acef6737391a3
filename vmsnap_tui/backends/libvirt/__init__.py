"""libvirt: domains through its own interfaces, never behind its back."""
