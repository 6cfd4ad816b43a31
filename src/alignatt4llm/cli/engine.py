"""The option ``--engine`` of every command that loads a model."""

import argparse

from alignatt4llm.translators.table import AUTO, ENGINES

DEFAULT = "transformers"
"""The engine where figures must not depend on the computer."""


def add_engine(
    parser: argparse.ArgumentParser, default: str = DEFAULT, several: bool = False
) -> None:
    """Add the option, a list if there may be several."""
    listed = ", ".join(f"{name} ({engine.help})" for name, engine in ENGINES.items())
    parser.add_argument(
        "--engine",
        nargs="+" if several else None,
        default=[default] if several else default,
        metavar="ENGINE",
        help=f"what runs the model: {AUTO} (what suits it), {listed}; {default} by default",
    )
