"""How well a line or a cue ends between two words."""

from collections.abc import Sequence
from functools import cache
from itertools import accumulate

import budoux

from alignatt4llm.outputs.cues import Said
from alignatt4llm.text.function_words import CLINGING, OPENING
from alignatt4llm.text.languages import Language
from alignatt4llm.text.sentences import ends_clause, ends_sentence, has_full_stop

SENTENCE, CLAUSE, OPENER, PLAIN, TIED, INSIDE = 0.0, 1.0, 2.0, 4.0, 9.0, 14.0
"""Strain of an end: of a sentence; at a comma; before a conjunction or preposition; between any two
words; where words belong together; within a word of a script without spaces."""
_MODELS = {
    "zh": "load_default_simplified_chinese_parser",
    "yue": "load_default_traditional_chinese_parser",
    "ja": "load_default_japanese_parser",
    "th": "load_default_thai_parser",
}


def strains(said: Sequence[Said], language: Language) -> list[float]:
    """Return the strain of an end before each word, and after the last: one more than words."""
    within = within_phrases(said, language)
    result, first = [SENTENCE], 0
    for at in range(1, len(said)):
        if _is_sentence(said[first:at], said[at].text, language):
            result.append(SENTENCE)
            first = at
        else:
            result.append(_strain(said, at, first, at in within, language))
    return [*result, SENTENCE] if said else result


def _is_sentence(before: Sequence[Said], after: str, language: Language) -> bool:
    if not has_full_stop(before[-1].text, language):
        return False
    return ends_sentence([word.text for word in before], after, language)


def _strain(said: Sequence[Said], at: int, first: int, within: bool, language: Language) -> float:
    before, after = said[at - 1].text, said[at].text
    if ends_clause(before, language):
        return CLAUSE
    if within:
        return INSIDE
    opening = OPENING.get(language.code, frozenset())
    if _plain(after) in opening and _plain(before) not in opening:
        return OPENER
    return TIED if _belong_together(before, after, at - 1 == first, language) else PLAIN


def _belong_together(before: str, after: str, begins: bool, language: Language) -> bool:
    """Whether a line should not end between two words: an article, a number, a name."""
    if _plain(before) in CLINGING.get(language.code, frozenset()):
        return True
    if before[-1:].isdigit() or (before[:-1].isdigit() and before.endswith(".")):
        return True
    return not begins and before[-1:].isalnum() and _may_be_name(before) and _may_be_name(after)


def _may_be_name(word: str) -> bool:
    """Whether a word has a capital first, and not only capitals."""
    return word[:1].isupper() and not word[1:].isupper()


def _plain(word: str) -> str:
    return word.casefold().strip("\"'“”„«»‹›()[]¿¡.,;:!?…–—- ")


def within_phrases(said: Sequence[Said], language: Language) -> set[int]:
    """Return the words before which no phrase of a script without spaces begins.

    Where words have spaces, all between two of them is one phrase.
    """
    if language.code not in _MODELS:
        return {at for at, word in enumerate(said) if not word.joint}
    texts = [word.joint * (at > 0) + word.text for at, word in enumerate(said)]
    phrases = _parser(language.code).parse("".join(texts))
    begin = set(accumulate(map(len, phrases), initial=0))
    starts = list(accumulate(map(len, texts), initial=0))
    spaced = {at for at, word in enumerate(said) if word.joint}
    return {at for at in range(1, len(said)) if starts[at] not in begin} - spaced


@cache
def _parser(code: str) -> budoux.Parser:
    parser: budoux.Parser = getattr(budoux, _MODELS[code])()
    return parser
