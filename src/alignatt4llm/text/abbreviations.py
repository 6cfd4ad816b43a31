"""Abbreviations that the sentence splitter does not know, and words that it takes for some.

Only those that names or numbers follow: a small letter after a full stop needs no list.
"""

ABBREVIATIONS = {
    code: frozenset(words.split())
    for code, words in {
        "ar": "أ د م",
        "en": "approx cdr Mon Tue Tues Wed Thu Thurs Fri",
        "de": "abs bd br dipl fam frl hl ing inkl insb str",
        "it": "dott.ssa ten",
        "cs": "čl kap kpt mjr odst tř",
        "es": "aa d dña mons n pdte profa st",
        "fr": "M MM av bd ch dr mgr mlle mme mmes prof st ste",
        "pt": "av d exa ltda pe profa r srta sta",
        "da": "bl.a sct",
        "el": "αγ αρ βλ δεσπ δηλ εικ κ κα καθ κας κος λεωφ οδ σελ στρ τηλ",
        "fi": "ins kts nro puh",
        "fil": "atty bb bgy brgy dra engr gg gng kag kgg pang sta sto",
        "he": "פרופ",
        "hi": "कु डा डॉ नं पं पृ प्रो मि श्री श्रीमती सं",
        "hu": "gr ifj kft özv szt vkg",
        "id": "dra hj ir jend jl jln kab kec kel kol kpt rp sdr tgl yth",
        "mk": "бр бул г г-дин г-ѓа д-р инж проф св стр ул чл",
        "ms": "hj jln kapt kg pn sdn tn",
        "nl": "ds jhr kol mej mevr mw",
        "pl": "abp al bp dr ds gen godz hab inż kard kpt ks mgr mjr nr o os p pl "
        "płk prof św ul woj",
        "ro": "acad av bd bl cpt d-l d-lui d-na d-nei dl dlui dna dnei dra pr prof sf str șos",
        "ru": "гл доц корп напр обл оз пл проф рис св ст табл",
        "sv": "doc frk inkl jfr kap lic",
        "th": "ก ข ค ง จ ช ซ ด ดร ต ท น บ ป พ ฟ ภ ม ย ร ล ว ศ ส ห อ ฮ",
        "tr": "alb apt av blv bşk cad doç ecz hz mah müh öğr örn ör prof sk sok yrd",
        "uk": "бул просп рис смт",
        "vi": "bs gs ks nxb pgs q ths tp ts tt tx",
    }.items()
}
"""By language, without the full stop; a capital where the abbreviation always has one."""

_NUMBERED = (
    "abb apr art aug bl cap cca chap cl dec déc eur feb febr févr fig janv juil kap kb kl mar núm "
    "nov oct pag pág pp rys sayfa sec séc sept sid stk tab tel tlf usd vol гл рис с ст табл "
    "σελ"
)
BEFORE_NUMBERS = frozenset(_NUMBERED.split())
"""Of any language: what abbreviates where digits follow."""

WORDS = {
    code: frozenset(words.split())
    for code, words in {
        "da": "i med ned om",
        "es": "bien contra extra mar sobre super",
        "it": "ai api fa mt re set via",
        "ro": "ore",
        "sv": "det ord ut",
        "vi": "con y",
    }.items()
}
"""What the splitter takes for abbreviations although sentences often end with it."""
