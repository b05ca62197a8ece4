"""The report: its values, its JSON, its page, its plots."""
