"""Files of which every target of a stream has its own."""

import argparse
from pathlib import Path

from alignatt4llm.cli.files import Writes
from alignatt4llm.cli.spoken import named
from alignatt4llm.errors import UsageError
from alignatt4llm.files.writing import is_stream
from alignatt4llm.text.languages import Language, targets


class WritesEach(Writes):
    """Notes that an option's file is written, or, with several targets, one for each of them."""

    def paths(self, args: argparse.Namespace) -> list[Path]:
        """Return the files; raise UsageError if one cannot be had for each."""
        into = targets(args.to, named(args.source))
        path: Path = getattr(args, self.dest)
        if len(into) > 1 and is_stream(path):
            raise UsageError(
                f"{self.option_strings[0]}: '{path}' takes one language; name a file, of which "
                "each gets its own."
            )
        return [own(path, each, into) for each in into]


def own(path: Path, target: Language, targets: tuple[Language, ...]) -> Path:
    """Return the file of a target: ``talk.de.srt`` where there are several, and else the given."""
    several = len(targets) > 1
    return path.with_name(f"{path.stem}.{target.code}{path.suffix}") if several else path
