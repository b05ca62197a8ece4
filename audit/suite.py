"""Every audit by name: STANDARD takes about a minute on two cores, DEEP adds attacks that train."""

from __future__ import annotations

from audit.base import Audit
from audit.behavior import behavior
from audit.geometry import geometry
from audit.images import images, pgd
from audit.lens import lens, patching
from audit.membership import membership
from audit.neighbours import neighbours
from audit.probes import probes
from audit.quantize import quantize
from audit.reconstruct import reconstruct
from audit.relearn import relearn

STANDARD: dict[str, Audit] = {
    "behavior": behavior,
    "probes": probes,
    "geometry": geometry,
    "lens": lens,
    "images": images,
    "quantize": quantize,
}
DEEP: dict[str, Audit] = {
    "relearn": relearn,
    "patching": patching,
    "reconstruct": reconstruct,
    "pgd": pgd,
    "membership": membership,
    "neighbours": neighbours,  # Gives nothing where umap-learn is not installed.
}
