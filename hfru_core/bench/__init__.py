"""Unlearning methods side by side: what is measured of them, and the table of it."""
