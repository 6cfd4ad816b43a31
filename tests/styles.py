"""How outputs are written in tests: English into German, by Netflix's rules."""

from alignatt4llm.outputs.style import Style
from alignatt4llm.text.languages import Pair

STYLE = Style.of(Pair.parse("en-de"))
