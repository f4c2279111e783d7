"""Inputs that nobody means, at random: whatever they hold, a command is right, or ends with a sentence."""
