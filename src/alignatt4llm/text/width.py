"""How wide a text is, in characters as subtitlers count them."""

from unicodedata import east_asian_width

from alignatt4llm.text.languages import extends


def width(text: str, halves: bool) -> float:
    """Count the characters of a text; marks that only change the one before them do not count.

    Parameters
    ----------
    text
        A line, or a part of it.
    halves
        Whether a narrow character, a Latin letter or a space, counts as half of a wide one.
    """
    narrow = 0.5 if halves else 1.0
    return sum(
        1.0 if east_asian_width(character) in "WF" else narrow
        for character in text
        if not extends(character)
    )
