"""One unlearning session: its check set, what it costs, its checkpoints, its steps."""

from hfru_core.session.checkpoint import dtype_begun
from hfru_core.session.unlearn import UnlearnSession

__all__ = ["UnlearnSession", "dtype_begun"]
