"""The option ``--engine`` of every command that loads a model for sessions."""

import argparse


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    parser.add_argument(
        "--engine",
        default="transformers",
        metavar="ENGINE",
        help="what runs the model: transformers, vllm, or the address of a served engine "
        "(%(default)s)",
    )
