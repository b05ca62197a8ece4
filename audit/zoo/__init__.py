"""The audit's own test (`python -m audit.zoo`): models that only pretend to forget, honest ones."""
