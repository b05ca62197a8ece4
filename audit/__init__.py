"""What is left of a forgotten concept, and can the audit itself be trusted."""

import hfru_core  # noqa: F401  (what it forbids is forbidden here too)
