"""What an audit asks, and what an answer says."""
