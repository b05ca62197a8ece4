"""The audit's own test: models that only pretend to forget, and honest ones (`python -m audit.zoo`).
"""
