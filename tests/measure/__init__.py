"""Scripts that measure, which are no tests: run from the root, as `python -m tests.measure.NAME`.

Each tells its options by `--help`; `visitors` holds what several of them share.
"""
