"""Sources that a count by spaces gets wrong, word by word as a recogniser commits them."""

from alignatt4llm.text.languages import language
from alignatt4llm.text.words import split_words


def apart(text):
    return text.split(" ")


DASHES = apart("I came – at last – home. And – as always – you slept. Good")
TALKS = {
    "dashes": ("en-de", DASHES),
    "a dash first": ("en-it", apart("– Who is it? – Only me. – Come in")),
    "inner spaces": (
        "en-de",
        ["We", "left", "New York.", "It", "is", "far", "to", "San Francisco.", "So", "we", "flew"],
    ),
    "numbers": (
        "en-de",
        ["It", "cost", "1 000 000", "or", "3.5 %", ".", "No", "more", "than", "7 – 9", "times."],
    ),
    "marks apart": ("fr-en", apart("Oui ! Il vient , dit-on : demain ? « Peut-être » . Bien")),
    "marks after a space": (
        "fr-en",
        ["Oui !", "Il", "vient ?", "Demain :", "à", "midi", "« juste ».", "Bien"],
    ),
    "Chinese": (
        "zh-de",
        split_words("我们今天看旧地图。这些画得很大，有的能放进口袋！那里", language("zh")),
    ),
    "into Chinese": ("en-zh", DASHES),
    "Japanese": ("ja-en", split_words("今日は古い地図を見ます。川が北へ流れ、", language("ja"))),
    "Arabic": ("ar-de", apart("وصلت – أخيرا – إلى البيت. هل نمت ؟ نعم ! شكرا")),
    "Hebrew": ("he-en", apart("הגעתי – סוף סוף – הביתה. האם ישנת ? כן ! תודה")),
}
"""By what is hard about them: the direction, and the words."""
