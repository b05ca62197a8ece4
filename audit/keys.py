"""What a finding measures, by key: code looks findings up by it, titles are for people only."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

# How a finding gets at the concept: from the model's own answers, from its answers after an attack
# on the question, the image or the weights, from what the original's decoder says behind its
# encoder, or by reading its features or likelihoods, which nobody hears.
Channel = Literal["spoken", "attacked", "read", "probed"]


class FindingKey(StrEnum):
    """One key for everything that an audit measures; `params` tell apart findings of one key."""

    channel: Channel

    def __new__(cls, value: str, channel: Channel) -> FindingKey:
        key = str.__new__(cls, value)
        key._value_ = value
        key.channel = channel
        return key

    # fmt: off
    FAILED = "failed", "probed"  # a whole audit gave no value

    # weights
    CHANGED = "changed", "probed"
    MOVED = "moved", "probed"

    # fairness: whether the question is one, and by whose words
    ELIGIBLE = "eligible", "spoken"
    WORD_LISTS = "word-lists", "spoken"

    # behavior: forget images
    NAMED = "named", "spoken"
    ABSTRACTION = "abstraction", "spoken"
    ATTRIBUTES = "attributes", "spoken"
    HALLUCINATED = "hallucinated", "spoken"
    NAMED_BESIDE = "named-beside", "spoken"
    REWORDED = "reworded", "spoken"
    DESCRIBED_FIRST = "described-first", "spoken"
    CHOSEN = "chosen", "attacked"
    ODD_ONE_OUT = "odd-one-out", "attacked"
    AFTER_HINT = "after-hint", "attacked"
    AFTER_ROLE = "after-role", "attacked"
    AFTER_EXAMPLES = "after-examples", "attacked"
    # behavior: retain images
    RETAINED = "retained", "spoken"
    RETAINED_NEAR = "retained-near", "spoken"
    RETAINED_FAR = "retained-far", "spoken"
    RETAINED_BESIDE = "retained-beside", "spoken"
    HARMLESS_EVADED = "harmless-evaded", "spoken"
    REFUSED = "refused", "spoken"
    DEGENERATE = "degenerate", "spoken"
    CHAIR_I = "chair-i", "spoken"
    CHAIR_S = "chair-s", "spoken"
    FALSE_YES_RANDOM = "false-yes-random", "spoken"
    FALSE_YES_POPULAR = "false-yes-popular", "spoken"
    FALSE_YES_ADVERSARIAL = "false-yes-adversarial", "spoken"
    FALSE_YES_SIBLINGS = "false-yes-siblings", "spoken"
    TRUE_YES = "true-yes", "spoken"
    # behavior: no image
    FACTS = "facts", "spoken"
    MEANINGS = "meanings", "spoken"

    # behavior: what greedy answers and means hide
    SAMPLED = "sampled", "spoken"
    CONCEPT_NAMED = "concept-named", "spoken"
    WORST_GROUP = "worst-group", "attacked"
    CODE_WORD = "code-word", "attacked"
    RETAINED_WORST = "retained-worst", "spoken"

    # encoder
    READ_TOWER = "read-tower", "read"
    READ_PROJECTOR = "read-projector", "read"

    # confusion
    CONFUSION = "confusion", "spoken"
    # images
    ANY_CHANGE = "any-change", "attacked"
    UNCHANGED = "unchanged", "attacked"
    CROPPED = "cropped", "attacked"
    FLIPPED = "flipped", "attacked"
    BLURRED = "blurred", "attacked"
    JPEG = "jpeg", "attacked"
    MARKED = "marked", "attacked"
    RESTYLED = "restyled", "attacked"
    PGD = "pgd", "attacked"
    PGD_RETAINED = "pgd-retained", "attacked"
    PATCH = "patch", "attacked"
    # quantize
    NAMED_BF16 = "named-bf16", "attacked"
    NAMED_INT8 = "named-int8", "attacked"
    NAMED_NF4 = "named-nf4", "attacked"
    RETAINED_BF16 = "retained-bf16", "attacked"
    RETAINED_INT8 = "retained-int8", "attacked"
    RETAINED_NF4 = "retained-nf4", "attacked"
    SAME_CODES = "same-codes", "attacked"
    ADAPTER_OFF = "adapter-off", "attacked"
    # relearn
    RELEARNED = "relearned", "attacked"
    RELEARN_STEPS = "relearn-steps", "attacked"

    # probes: against what shares the concept's abstraction, its siblings, all that is retained
    WORD_FEW = "word-few", "probed"
    WORD_FEW_BEST = "word-few-best", "probed"
    WORD_TOKENS = "word-tokens", "probed"
    WORD_LINEAR = "word-linear", "probed"
    WORD_NEAREST = "word-nearest", "probed"
    WORD_MLP = "word-mlp", "probed"
    SIBLINGS_FEW = "siblings-few", "probed"
    SIBLINGS_FEW_BEST = "siblings-few-best", "probed"
    SIBLINGS_LINEAR = "siblings-linear", "probed"
    SIBLINGS_NEAREST = "siblings-nearest", "probed"
    SIBLINGS_MLP = "siblings-mlp", "probed"
    REST_LINEAR = "rest-linear", "probed"
    REST_NEAREST = "rest-nearest", "probed"
    REST_MLP = "rest-mlp", "probed"
    CONTROL_TASK = "control-task", "probed"
    SELECTIVITY = "selectivity", "probed"
    DESCRIPTION_LENGTH = "description-length", "probed"
    PERMUTED_LABELS = "permuted-labels", "probed"
    LEACE = "leace", "probed"
    UNTRAINED_TOWER = "untrained-tower", "probed"
    RAW_PIXELS = "raw-pixels", "probed"
    # probes and geometry: a part that could not be measured
    BY_ONE_WORD = "by-one-word", "probed"
    AGAINST_SIBLINGS = "against-siblings", "probed"
    AGAINST_REST = "against-rest", "probed"
    BITS = "bits", "probed"
    CONTROLS = "controls", "probed"
    SIMILARITIES = "similarities", "probed"
    DISTANCES = "distances", "probed"
    ABSTRACTIONS = "abstractions", "probed"
    # geometry and neighbours
    CKA_BASE_FORGET = "cka-base-forget", "probed"
    CKA_BASE_RETAIN = "cka-base-retain", "probed"
    CKA_ORACLE_FORGET = "cka-oracle-forget", "probed"
    CKA_ORACLE_RETAIN = "cka-oracle-retain", "probed"
    SIBLING_DISTANCE = "sibling-distance", "probed"
    ABSTRACTION_DISTANCE = "abstraction-distance", "probed"
    EMBEDDING_MAP = "embedding-map", "probed"
    NEIGHBOUR_MAP = "neighbour-map", "probed"
    # lens
    TOKENS_NAME_IT = "tokens-name-it", "probed"
    HIDDEN = "hidden", "probed"
    LOGIT_LENS = "logit-lens", "probed"
    PATCHED = "patched", "probed"
    PATCH_DEPTH = "patch-depth", "probed"
    # reconstruct
    DRAWN = "drawn", "probed"
    DRAWN_RETAINED = "drawn-retained", "probed"
    # membership
    MEMBER_AUC = "member-auc", "probed"
    MEMBER_TPR = "member-tpr", "probed"
    PRIVLEAK = "privleak", "probed"
    # fmt: on
