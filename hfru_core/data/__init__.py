"""Where images come from, and how they become the samples of a request."""
