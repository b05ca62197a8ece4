"""What is left of a forgotten concept, and can the audit itself be trusted."""
