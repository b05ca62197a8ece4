"""What words mean and what sentences say, by rule: nothing here knows of images or models."""
