"""The controlled world: scenes and portraits drawn by the program, with exact ground truth."""
