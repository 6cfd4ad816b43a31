"""The vLLM engine: drafts and rows for a crowd of streams, on this machine or another."""
