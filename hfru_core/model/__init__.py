"""Vision-language models: load, ask, adapt, quantise, distribute."""
