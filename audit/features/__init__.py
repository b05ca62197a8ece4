"""What a model holds of images, and probes on it."""
