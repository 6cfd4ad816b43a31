"""Simultaneous speech translation with decoder-only LLMs, timed by their own attention."""
