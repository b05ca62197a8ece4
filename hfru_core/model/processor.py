"""The processor of a family, without its parts for video and sound."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import transformers
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING_NAMES

LEFT_OUT = {"video_processor", "feature_extractor"}  # the former alone needs torchvision


def processor_class(model_type: str) -> Any:
    """The family's processor class, for pictures and words alone."""
    named = {"fast_vlm": "LlavaProcessor", **PROCESSOR_MAPPING_NAMES}
    kind = getattr(transformers, named[model_type])
    return images_only(kind) if LEFT_OUT & set(kind.get_attributes()) else kind


def images_only(kind: Any) -> Any:
    """A processor class without its parts for video and sound."""
    parts = kind.get_attributes()

    class Fewer(transformers.ProcessorMixin):
        def __init__(self, *args: object, **more: object) -> None:
            given = {**dict(zip(parts, args)), **more}
            super().__init__(**{name: v for name, v in given.items() if name not in LEFT_OUT})

    class ImagesOnly(kind, Fewer):
        # MiniCPM reads these settings.
        video_processor = SimpleNamespace(slice_mode=False, downsample_mode="16x")

        @classmethod
        def get_attributes(cls) -> list[str]:
            return [name for name in parts if name not in LEFT_OUT]

        @classmethod
        def _get_arguments_from_pretrained(cls, *args: object, **more: object) -> list:
            found = super()._get_arguments_from_pretrained(*args, **more)
            named = dict(zip(cls.get_attributes(), found))
            return [named.get(name) for name in parts]

    ImagesOnly.__name__ = kind.__name__
    return ImagesOnly
