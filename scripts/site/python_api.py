"""A hook of MkDocs: the public names, and what engines, recognisers and policies have to be."""

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import alignatt4llm

BASES = ("translators", "recognizers", "policy", "outputs", "outputs.sinks")
"""Rooms whose ``base`` says what a part of them has to be."""
PUBLIC = """\
# Python API

What `from alignatt4llm import ...` finds. Anything else may change with any version; what a part of
your own has to be is told under [Parts](parts.md).
"""
PARTS = """\
# Parts

What an engine, a recogniser, a policy, an output or a sink has to be.
[Recipes](../architecture.md#recipes) add one of each.
"""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation, first in Reference."""
    reference = next(entry["Reference"] for entry in config.nav or [] if "Reference" in entry)
    reference[1:1] = [{"Python API": "python/api.md"}, {"Parts": "python/parts.md"}]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    names = [_object(f"alignatt4llm.{name}", name) for name in sorted(alignatt4llm.__all__)]
    bases = [_object(f"alignatt4llm.{room}.base", room) for room in BASES]
    pages = {"api": [PUBLIC, *names], "parts": [PARTS, *bases]}
    for page, parts in pages.items():
        files.append(File.generated(config, f"python/{page}.md", content="\n".join(parts)))
    return files


def _object(path: str, label: str) -> str:
    return f"::: {path}\n    options: {{toc_label: {label}}}\n"
