"""The audits: each looks for one kind of trace."""
