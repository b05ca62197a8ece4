"""Model cards: the README.md of an adapter and of a merged model, with the Hub's front matter."""

from __future__ import annotations

UNTOUCHED = "the language model is untouched"
ADAPTED = {
    "encoder": ("Vision encoder", f"the vision tower; {UNTOUCHED}"),
    "encoder+projector": ("Vision encoder", f"the vision tower and the projector; {UNTOUCHED}"),
    "decoder": ("Language model", "the language model; the vision encoder is untouched"),
    "all": ("Model", "several parts of the model, its language model too"),
}


def adapter_card(info: dict) -> str:
    """The card of an adapter, from its `unlearning.json`."""
    return f"""{front_matter(info, "adapter", "peft", "lora")}
# {adapted(info)[0]} that has unlearned: {names(info)}

A LoRA adapter for {adapted(info)[1]}. {how(info)}

```python
from peft import PeftModel
model = PeftModel.from_pretrained(base_model, "this folder")
```

{measured(info)}

**An adapter is a switch, not a deletion**: whoever has it can take it off. Answers that no longer
name a concept do not prove that the encoder lost it.
"""


def merged_card(info: dict) -> str:
    """The card of a whole model that an adapter was merged into, from its `unlearning.json`."""
    return f"""{front_matter(info, "finetune", "transformers", "merged")}
# Model that has unlearned: {names(info)}

A whole model: `{info["base"]["name"]}` with a LoRA adapter merged into
{adapted(info)[1]}. {how(info)}
`unlearning.json` beside this file is the record of what was merged.

{measured(info)}

**Why it was merged**: an adapter can be switched off. Who gets this model alone has nothing to take
off. That is no deletion either: whoever has the original model has the concept, and some of it may
be left in these weights. An audit of the adapter (`python -m audit`) looks for it.
"""


def front_matter(info: dict, relation: str, library: str, tag: str) -> str:
    return f"""---
library_name: {library}
base_model: {info["base"]["name"]}
base_model_relation: {relation}
pipeline_tag: image-text-to-text
license: apache-2.0
tags:
- {tag}
- unlearning
- vision-language
- hfru
---
"""


def names(info: dict) -> str:
    return ", ".join(c["name"] for c in info["concepts"])


def adapted(info: dict) -> tuple[str, str]:
    """What the adapter changes, as a title and in words; of a sum, what any part does."""
    made = info.get("parts") or [info.get("config") or {}]
    scopes = {part.get("scope") or "encoder" for part in made}
    if scopes == {"encoder", "encoder+projector"}:
        return ADAPTED["encoder+projector"]
    return ADAPTED[scopes.pop()] if len(scopes) == 1 else ADAPTED["all"]


def how(info: dict) -> str:
    """One sentence on the method, or on what was added up."""
    if info.get("parts"):
        return "It was made from finished\nadapters, listed below, with no training of its own."
    config = info["config"]
    method = config.get("method", "hfru")
    name = "HFRU\n(arXiv 2605.08031)" if method == "hfru" else f"`{method}`\n(as in this project)"
    return f"Method: {name}, preset `{config['preset']}`, seed {config['seed']}."


def measured(info: dict) -> str:
    """The rates that the session measured, if any; of a sum nothing was measured."""
    if info.get("parts"):
        rows = "\n".join(
            f"| {', '.join(p['concepts'])} | {p['strength']:g} | `{p['weights'][:16]}` |"
            for p in info["parts"]
        )
        return f"""| made from the adapter that unlearned | strength | SHA-256 of its weights |
|---|---|---|
{rows}

How the result answers was **not measured**: the rates of its parts do not carry over. Run
`python -m hfru_core evaluate` and `python -m audit`."""
    before, after = (info.get(k) or {} for k in ("base_metrics", "metrics"))
    if not after:
        return "How it answers was **not measured**."
    rows = "\n".join(
        f"| {name} | {percent(before.get(name))} | {percent(value)} | {value['n']} |"
        for name, value in after.items()
        if value["n"]
    )
    return f"""| measure | before | after | n |
|---|---|---|---|
{rows}

Rates with 95 % Wilson intervals, on the few pictures that the session compared its steps on
(`{info["data"]["source"]}`, fingerprint `{info["data"]["fingerprint"]}`): {chosen(info)}.
For an independent measure, run `python -m hfru_core evaluate`."""


def chosen(info: dict) -> str:
    """What those pictures decided."""
    if info["config"].get("select_best", True):
        return "the best step was chosen\nby them"
    return "they chose nothing,\nthe last step was kept"


def percent(value: dict | None) -> str:
    if not value or value["rate"] is None:
        return "not measured"
    return f"{value['rate']:.1%} ({value['low']:.1%} to {value['high']:.1%})"
