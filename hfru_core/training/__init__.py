"""What every trained method builds on: GRPO, rewards, supervised steps, distillation."""
