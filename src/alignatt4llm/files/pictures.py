"""Pictures in files."""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from alignatt4llm.errors import UsageError
from alignatt4llm.files.writing import write_whole
from alignatt4llm.text.printable import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_picture(figure: "Figure", path: Path, dpi: float | str = "figure") -> None:
    """Write a figure as its file's suffix says, whole or not at all.

    Raises
    ------
    UsageError
        If the file cannot be written or its name says no known format.
    """
    picture = BytesIO()
    try:
        figure.savefig(picture, format=path.suffix[1:] or None, dpi=dpi)
    except ValueError as error:
        raise UsageError(f"'{path}' cannot be drawn: {error}.") from error
    write_whole(path, picture.getvalue())


def plain_label(text: str) -> str:
    """Return text that a picture shows as it is: no formula, nothing that SVG cannot hold."""
    return printable(text).replace("$", r"\$")
