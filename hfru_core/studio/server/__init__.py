"""Requests, logins, quotas and hardware of the app."""
