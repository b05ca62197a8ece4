"""Reports from before findings had keys: their titles as keys, and their series by their names."""

from __future__ import annotations

import re
from typing import Any

from audit.keys import FindingKey

# fmt: off
TITLES: dict[str, FindingKey] = {
    "failed": FindingKey.FAILED,
    # behavior
    "named": FindingKey.NAMED,
    "called by an abstraction": FindingKey.ABSTRACTION,
    "true attributes stated": FindingKey.ATTRIBUTES,
    "hallucinated substitutions": FindingKey.HALLUCINATED,
    "named beside a retained thing": FindingKey.NAMED_BESIDE,
    "named, other wordings": FindingKey.REWORDED,
    "named after describing first": FindingKey.DESCRIBED_FIRST,
    "chosen among siblings": FindingKey.CHOSEN,
    "odd one out": FindingKey.ODD_ONE_OUT,
    "named after a hint": FindingKey.AFTER_HINT,
    "named after a role": FindingKey.AFTER_ROLE,
    "named after examples in text": FindingKey.AFTER_EXAMPLES,
    "retained named": FindingKey.RETAINED,
    "near neighbours named": FindingKey.RETAINED_NEAR,
    "far things named": FindingKey.RETAINED_FAR,
    "retained thing beside it named": FindingKey.RETAINED_BESIDE,
    "harmless questions evaded": FindingKey.HARMLESS_EVADED,
    "refused": FindingKey.REFUSED,
    "degenerate": FindingKey.DEGENERATE,
    "CHAIR-i, names in captions that are wrong": FindingKey.CHAIR_I,
    "CHAIR-s, captions with a wrong name": FindingKey.CHAIR_S,
    "false yes to random names": FindingKey.FALSE_YES_RANDOM,
    "false yes to popular names": FindingKey.FALSE_YES_POPULAR,
    "false yes to adversarial names": FindingKey.FALSE_YES_ADVERSARIAL,
    "false yes to siblings of the forgotten": FindingKey.FALSE_YES_SIBLINGS,
    "yes to what is there": FindingKey.TRUE_YES,
    "facts in text": FindingKey.FACTS,
    "meanings in text": FindingKey.MEANINGS,
    # images
    "named in at least one look": FindingKey.ANY_CHANGE,
    "named, as it is": FindingKey.UNCHANGED,
    "named, crop": FindingKey.CROPPED,
    "named, flip": FindingKey.FLIPPED,
    "named, blur": FindingKey.BLURRED,
    "named, jpeg": FindingKey.JPEG,
    "named, style": FindingKey.RESTYLED,
    # quantize
    "named in bf16": FindingKey.NAMED_BF16,
    "named in int8": FindingKey.NAMED_INT8,
    "named in nf4": FindingKey.NAMED_NF4,
    "retained in bf16": FindingKey.RETAINED_BF16,
    "retained in int8": FindingKey.RETAINED_INT8,
    "retained in nf4": FindingKey.RETAINED_NF4,
    "named with the adapter off": FindingKey.ADAPTER_OFF,
    # probes
    "few pictures, against what shares its word: what the decoder reads": FindingKey.WORD_FEW,
    "few pictures, against what shares its word: best layer": FindingKey.WORD_FEW_BEST,
    "linear probe, all pictures, against what shares its word": FindingKey.WORD_LINEAR,
    "k-nearest-neighbour probe, all pictures, against what shares its word":
        FindingKey.WORD_NEAREST,
    "MLP probe, all pictures, against what shares its word": FindingKey.WORD_MLP,
    "few pictures, against siblings: what the decoder reads": FindingKey.SIBLINGS_FEW,
    "few pictures, against siblings: best layer": FindingKey.SIBLINGS_FEW_BEST,
    "linear probe, all pictures, against siblings": FindingKey.SIBLINGS_LINEAR,
    "k-nearest-neighbour probe, all pictures, against siblings": FindingKey.SIBLINGS_NEAREST,
    "MLP probe, all pictures, against siblings": FindingKey.SIBLINGS_MLP,
    "linear probe, all pictures, against the rest": FindingKey.REST_LINEAR,
    "k-nearest-neighbour probe, all pictures, against the rest": FindingKey.REST_NEAREST,
    "MLP probe, all pictures, against the rest": FindingKey.REST_MLP,
    "control task: random groups of retained concepts": FindingKey.CONTROL_TASK,
    "selectivity, against the rest": FindingKey.SELECTIVITY,
    "description length of the labels": FindingKey.DESCRIPTION_LENGTH,
    "control: permuted labels": FindingKey.PERMUTED_LABELS,
    "control: concept erased by LEACE": FindingKey.LEACE,
    "control: untrained tower": FindingKey.UNTRAINED_TOWER,
    "control: raw pixels": FindingKey.RAW_PIXELS,
    "by one word": FindingKey.BY_ONE_WORD,
    "against siblings": FindingKey.AGAINST_SIBLINGS,
    "against rest": FindingKey.AGAINST_REST,
    "bits": FindingKey.BITS,
    "controls": FindingKey.CONTROLS,
    # geometry and neighbours
    "similarity to the base, forget pictures": FindingKey.CKA_BASE_FORGET,
    "similarity to the base, retain pictures": FindingKey.CKA_BASE_RETAIN,
    "similarity to the oracle, forget pictures": FindingKey.CKA_ORACLE_FORGET,
    "similarity to the oracle, retain pictures": FindingKey.CKA_ORACLE_RETAIN,
    "distance to siblings": FindingKey.SIBLING_DISTANCE,
    "distance to the abstraction": FindingKey.ABSTRACTION_DISTANCE,
    "embedding map": FindingKey.EMBEDDING_MAP,
    "neighbour map": FindingKey.NEIGHBOUR_MAP,
    "similarities": FindingKey.SIMILARITIES,
    "distances": FindingKey.DISTANCES,
    "abstractions": FindingKey.ABSTRACTIONS,
    # lens, reconstruct
    "single image tokens name it": FindingKey.TOKENS_NAME_IT,
    "hidden, not erased": FindingKey.HIDDEN,
    "logit lens on image tokens": FindingKey.LOGIT_LENS,
    "names read by base layers from unlearned states": FindingKey.PATCHED,
    "depth at which the name comes back": FindingKey.PATCH_DEPTH,
    "the concept is in the drawing": FindingKey.DRAWN,
    "retained things are in the drawing": FindingKey.DRAWN_RETAINED,
}
PATTERNS: dict[str, FindingKey] = {  # titles that hold parameters
    r"weights of the \w+ with the base's \w+ code": FindingKey.SAME_CODES,
    r"forgotten pictures named after PGD of \d+/255": FindingKey.PGD,
    r"retained pictures named after PGD of \d+/255": FindingKey.PGD_RETAINED,
    r"named after 4 and 8 steps on .+": FindingKey.RELEARNED,
    r"steps to half of the base's naming on .+": FindingKey.RELEARN_STEPS,
    r"AUC of .+": FindingKey.MEMBER_AUC,
    r"TPR at 1 % FPR of .+": FindingKey.MEMBER_TPR,
    r"PrivLeak of .+": FindingKey.PRIVLEAK,
}
# fmt: on


def with_keys(finding: Any) -> Any:
    """A finding of a report, as parsed JSON, with the fields that old reports lack.

    Raises `ValueError` for a title that no old report has; what is no finding stays as it is.
    """
    if not isinstance(finding, dict) or "key" in finding:
        return finding
    listed = finding.get("series")
    series = [with_kind(s) for s in listed] if isinstance(listed, list) else listed
    return finding | {"key": key_of(finding.get("name")), "series": series}


def key_of(title: object) -> FindingKey:
    """What a finding with an old title measures; raises where there was no such title."""
    fitting = (key for pattern, key in PATTERNS.items() if re.fullmatch(pattern, str(title)))
    key = TITLES.get(str(title)) or next(fitting, None)
    if key is None:
        raise ValueError(f"findings: no key, and {title!r:.80} is not a title of old reports")
    return key


def with_kind(series: Any) -> Any:
    """A series of an old report with its kind, which only its name told."""
    if not isinstance(series, dict) or "kind" in series:
        return series
    name = str(series.get("name"))
    if " -> " in name:
        return series | {"kind": "flow"}
    words = len(name.split(" ", 2)) if name.startswith("map ") else 0
    return series | {"kind": {2: "points", 3: "heat"}.get(words, "curve")}
