"""The app: `python app.py` serves HFRU Studio on this machine, a Hugging Face Space on its own."""

from __future__ import annotations

import sys

from hfru_core.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
