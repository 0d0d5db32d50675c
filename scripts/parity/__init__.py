"""Compares the engines over generated cases: `python -m scripts.parity --cases 2000`."""
