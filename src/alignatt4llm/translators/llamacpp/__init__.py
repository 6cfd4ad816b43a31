"""Drafts by a model in a GGUF file, run by llama.cpp."""
