"""Runs of the app: the models it holds, sessions, benchmark runs."""
