"""The modules that stand on torch, to be imported late and from here only.

The page is served before torch is imported. Threads that begin to import transformers at different
ends would get half of it: here everything is imported in one order, and Python lets whoever comes
second wait until the first is done.
"""

from hfru_core import evaluate, pipeline, session
from hfru_core.adapters import archive, combine, folder, hub, validate
from hfru_core.bench import jobs
from hfru_core.model import vlm
from hfru_core.pretrain.photo import captions, names, turns
from hfru_core.pretrain.photo import features as photo_features

__all__ = [
    "archive", "captions", "combine", "evaluate", "folder", "hub", "jobs", "names",
    "photo_features", "pipeline", "session", "turns", "validate", "vlm",
]  # fmt: skip
