"""Adapter folders: write, read, check, pack, combine, share."""
