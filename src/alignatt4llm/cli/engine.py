"""The option ``--engine`` of every command that loads a model."""

import argparse

from alignatt4llm.translators.table import ENGINES


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the option."""
    listed = ", ".join(f"{name} ({engine.help})" for name, engine in ENGINES.items())
    parser.add_argument(
        "--engine",
        default="transformers",
        metavar="ENGINE",
        help=f"what runs the model: {listed}; %(default)s by default",
    )
