"""What a simulated Pi 5 is made of: its kernel's files, its firmware, and a stand-in for nnrun."""
