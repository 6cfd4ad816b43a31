"""Measuring quality and latency with the field's own tools."""
