"""Model cards: the README.md of an adapter and of a merged model, with the Hub's front matter."""

from __future__ import annotations

import re
from dataclasses import fields

import yaml  # type: ignore[import-untyped]

from hfru_core.adapters.record import AdapterRecord
from hfru_core.types import Evaluation, Rate

MARKUP = re.compile(r"[\\`*_\[\](){}<>#|!~$&]")
UNTOUCHED = "the language model is untouched"
ADAPTED = {
    "encoder": ("Vision encoder", f"the vision tower; {UNTOUCHED}"),
    "encoder+projector": ("Vision encoder", f"the vision tower and the projector; {UNTOUCHED}"),
    "decoder": ("Language model", "the language model; the vision encoder is untouched"),
    "all": ("Model", "several parts of the model, its language model too"),
}


def adapter_card(record: AdapterRecord) -> str:
    """The card of an adapter, from its `unlearning.json`."""
    return f"""{front_matter(record, "adapter", "peft", "lora")}
# {adapted(record)[0]} that has unlearned: {plain(record.names)}

A LoRA adapter for {adapted(record)[1]}. {how(record)}

```python
from peft import PeftModel
model = PeftModel.from_pretrained(base_model, "this folder")
```

{measured(record)}

**An adapter is a switch, not a deletion**: whoever has it can take it off. Answers that no longer
name a concept do not prove that the encoder lost it.
"""


def merged_card(record: AdapterRecord) -> str:
    """The card of a whole model that an adapter was merged into, from its `unlearning.json`."""
    return f"""{front_matter(record, "finetune", "transformers", "merged")}
# Model that has unlearned: {plain(record.names)}

A whole model: `{code(record.base.name)}` with a LoRA adapter merged into
{adapted(record)[1]}. {how(record)}
`unlearning.json` beside this file is the record of what was merged.

{measured(record)}

**Why it was merged**: an adapter can be switched off. Who gets this model alone has nothing to take
off. That is no deletion either: whoever has the original model has the concept, and some of it may
be left in these weights. An audit of the adapter (`python -m audit`) looks for it.
"""


def front_matter(record: AdapterRecord, relation: str, library: str, tag: str) -> str:
    """The head that the Hub reads, as YAML."""
    values = {
        "library_name": library,
        "base_model": record.base.name,
        "base_model_relation": relation,
        "pipeline_tag": "image-text-to-text",
        "license": "apache-2.0",
        "tags": [tag, "unlearning", "vision-language", "hfru"],
    }
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---\n"


def plain(text: str) -> str:
    """A text from elsewhere that Markdown shows as it is."""
    return MARKUP.sub(r"\\\g<0>", text)


def code(text: object) -> str:
    """The same within backquotes."""
    return str(text).replace("`", "'").replace("|", "/")


def adapted(record: AdapterRecord) -> tuple[str, str]:
    """What the adapter changes, as a title and in words; of a sum, what any part does."""
    scopes = {scope or "encoder" for scope in record.scopes}
    if scopes == {"encoder", "encoder+projector"}:
        return ADAPTED["encoder+projector"]
    return ADAPTED.get(scopes.pop() if len(scopes) == 1 else "all", ADAPTED["all"])


def how(record: AdapterRecord) -> str:
    """One sentence on the method, or on what was added up."""
    if record.parts:
        return "It was made from finished\nadapters, listed below, with no training of its own."
    method, config = record.method, record.config
    name = (
        "HFRU\n(arXiv 2605.08031)"
        if method == "hfru"
        else f"`{code(method)}`\n(as in this project)"
    )
    return f"Method: {name}, preset `{code(config['preset'])}`, seed {config['seed']}."


def measured(record: AdapterRecord) -> str:
    """The rates that the session measured, if any; of a sum nothing was measured."""
    if record.parts:
        return parts_table(record)
    if not (record.metrics and record.data):
        return "How it answers was **not measured**."
    return f"""| measure | before | after | n |
|---|---|---|---|
{rows(record.base_metrics, record.metrics)}

Rates with 95 % Wilson intervals, on the few pictures that the session compared its steps on
(`{code(record.data.source)}`, fingerprint `{code(record.data.fingerprint)}`): {chosen(record)}.
For an independent measure, run `python -m hfru_core evaluate`."""


def parts_table(record: AdapterRecord) -> str:
    """What a sum was made of."""
    rows = "\n".join(
        f"| {plain(', '.join(p.concepts))} | {p.strength:g} | `{code(p.weights[:16])}` |"
        for p in record.parts
    )
    return f"""| made from the adapter that unlearned | strength | SHA-256 of its weights |
|---|---|---|
{rows}

How the result answers was **not measured**: the rates of its parts do not carry over. Run
`python -m hfru_core evaluate` and `python -m audit`."""


def rows(before: Evaluation | None, after: Evaluation) -> str:
    """A row of the table for each measure that was taken."""
    taken = [(f.name, rate) for f in fields(after) if (rate := getattr(after, f.name)).n]
    return "\n".join(
        f"| {name} | {percent(getattr(before, name, None))} | {percent(rate)} | {rate.n} |"
        for name, rate in taken
    )


def chosen(record: AdapterRecord) -> str:
    """What those pictures decided."""
    if record.config.get("select_best", True):
        return "the best step was chosen\nby them"
    return "they chose nothing,\nthe last step was kept"


def percent(rate: Rate | None) -> str:
    """A rate with its interval."""
    if rate is None or rate.rate is None or rate.low is None or rate.high is None:
        return "not measured"
    return f"{rate.rate:.1%} ({rate.low:.1%} to {rate.high:.1%})"
