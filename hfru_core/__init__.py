"""Unlearn a concept from a vision-language model's vision encoder."""

import logging
import sys

# Where a processor has AVX-512 BF16, bitsandbytes asks the package `kernels`, as it is imported,
# to fetch compiled code from the Hub and runs it. Nothing is fetched here that nobody asked for.
sys.modules.setdefault("kernels", None)  # type: ignore[arg-type]  # None: no import
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # it tells of that, and of every cast

__version__ = "0.2.0"
