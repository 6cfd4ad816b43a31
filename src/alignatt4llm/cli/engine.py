"""The option ``--engine`` of every command that loads a model."""

import argparse

from alignatt4llm.translators.table import ENGINES

DEFAULT = "transformers"


def add_engine(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Add the option, a list if there may be several."""
    listed = ", ".join(f"{name} ({engine.help})" for name, engine in ENGINES.items())
    parser.add_argument(
        "--engine",
        nargs="+" if several else None,
        default=[DEFAULT] if several else DEFAULT,
        metavar="ENGINE",
        help=f"what runs the model: {listed}; {DEFAULT} by default",
    )
