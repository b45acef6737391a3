"""Real QEMU machines for the demo, the tests and the pictures."""
