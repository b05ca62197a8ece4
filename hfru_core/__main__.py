"""`python -m hfru_core`: the same as the command `hfru`."""

from __future__ import annotations

import sys

from hfru_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
