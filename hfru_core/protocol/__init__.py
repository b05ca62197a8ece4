"""What is asked about an image, and which answers are right."""
