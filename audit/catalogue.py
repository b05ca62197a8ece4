"""`hfru-audit --list`: what every audit is for, its source, its needs and what it leaves out."""

from __future__ import annotations

from dataclasses import dataclass, fields
from textwrap import fill


@dataclass(frozen=True)
class About:
    """One audit in words; `cost` is of the bundled model on one core, `needs` beside the models."""

    name: str
    goal: str
    source: str
    needs: str
    cost: str
    blind: str


# fmt: off
CATALOGUE = (
    About("weights", "What was changed where", "own", "the weights", "under a second",
          "what the changes do; for information"),
    About("fairness", "Does the original know the concept by its picture?",
          "VLM-UnBench (arXiv 2604.03114)", "nothing", "a second",
          "whether it knows it otherwise"),
    About("encoder", "Does the original's decoder name it behind the unlearned encoder?",
          "own, after activation patching (arXiv 2605.24614)", "weights; no oracle",
          "seconds", "what only a decoder trained anew could read"),
    About("behavior", "Is it named, in any wording, group, drawn or long answer? What else broke?",
          "POPE, CHAIR, SARR, in-context and own questions", "nothing; an oracle for code words",
          "20 seconds", "judgement beyond names; several pictures in one question"),
    About("confusion", "What is each thing called, class by class, before and after?", "own",
          "nothing", "5 seconds", "for information"),
    About("probes", "Can a small classifier read it from the features?",
          "linear probes, MDL, LEACE", "an oracle, to decide; 6 pictures of each kind",
          "15 seconds", "single tokens of inner layers"),
    About("geometry", "How far did the features move?", "CKA", "nothing", "a second",
          "for information"),
    About("lens", "Do single image tokens tell it?", "Patchscopes, logit lens",
          "an oracle, to decide", "8 seconds", "what only several tokens reveal"),
    About("images", "Does a changed picture bring it back?", "own", "nothing", "8 seconds",
          "looks that nobody drew; marks elsewhere than in corners"),
    About("quantize", "Does rounding bring it back?", "Zhang et al. (arXiv 2410.16454)",
          "the weights", "5 seconds", "GPTQ, AWQ; activations in fewer bits"),
    About("pgd", "Do a small push or one pattern in the corners bring it back?",
          "Madry et al. (1706.06083), Brown et al. (1712.09665)", "the weights",
          "10 seconds; --deep more", "triggers elsewhere, or in words"),
    About("relearn", "How few steps on how few pictures bring it back?",
          "Hu et al. (2406.13356), Deeb and Roger (2410.08827)", "the weights, training",
          "10 seconds; --deep minutes", "unrelated pictures of another source"),
    About("patching", "Which layer gives it back?", "arXiv 2605.24614", "--deep", "a minute",
          "for information"),
    About("reconstruct", "What does the original see in a drawing made from the tokens?",
          "model inversion", "--deep, training, an oracle to decide", "a minute",
          "drawings by a better painter"),
    About("membership", "Do the answers tell which pictures it was trained on?",
          "membership inference", "--deep, the session's own pictures", "a minute",
          "attacks with shadow models"),
    About("neighbours", "A map of all features", "UMAP", "--deep, umap-learn", "half a minute",
          "for information"),
)
# fmt: on
NAMES = {
    "goal": "goal",
    "source": "source",
    "needs": "needs",
    "cost": "cost",
    "blind": "not covered",
}


def listed() -> str:
    """Every audit with its goal, source, needs, cost and what it does not cover."""
    return "\n\n".join(map(told, CATALOGUE))


def told(about: About) -> str:
    rows = [f"{NAMES[f.name]}: {getattr(about, f.name)}" for f in fields(about) if f.name in NAMES]
    pad = "  "
    return "\n".join(
        [about.name, *(fill(r, 100, initial_indent=pad, subsequent_indent=2 * pad) for r in rows)]
    )
