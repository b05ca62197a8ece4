"""Pretraining of the bundled architecture, from drawn scenes and photographs."""
