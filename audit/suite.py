"""Every audit by name: STANDARD takes about a minute on two cores, DEEP adds attacks that train."""

from __future__ import annotations

from audit.base import Audit
from audit.checks import pixels, relearn
from audit.checks.behavior import behavior
from audit.checks.confusion import confusion
from audit.checks.encoder import encoder
from audit.checks.fairness import fairness
from audit.checks.geometry import geometry
from audit.checks.images import images
from audit.checks.lens import lens
from audit.checks.membership import membership
from audit.checks.neighbours import neighbours
from audit.checks.patching import patching
from audit.checks.probes import probes
from audit.checks.quantize import quantize
from audit.checks.reconstruct import reconstruct
from audit.checks.weights import weights

STANDARD: dict[str, Audit] = {
    "weights": weights,
    "fairness": fairness,
    "encoder": encoder,
    "behavior": behavior,
    "confusion": confusion,
    "probes": probes,
    "geometry": geometry,
    "lens": lens,
    "images": images,
    "quantize": quantize,
    "pgd": pixels.briefly,
    "relearn": relearn.briefly,
}
DEEP: dict[str, Audit] = {
    "relearn": relearn.relearn,
    "patching": patching,
    "reconstruct": reconstruct,
    "pgd": pixels.pgd,
    "membership": membership,
    "neighbours": neighbours,  # Gives nothing where umap-learn is not installed.
}
