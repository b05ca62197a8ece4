"""The texts of the app, English and Chinese."""
