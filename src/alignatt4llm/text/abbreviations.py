"""Abbreviations that the sentence splitter does not know, and words that it takes for some.

Only those that names or numbers follow: a small letter after a full stop needs no list.
"""

ABBREVIATIONS = {
    code: frozenset(words.split())
    for code, words in {
        "ar": "أ د م أ.د",
        "en": "approx cdr Mon Tue Tues Wed Thu Thurs Fri cpt amb atty assoc",
        "de": "abs bd br dipl fam frl hl ing inkl insb str hrn gebr Fa zzgl abt bez geschw kfm",
        "it": "dott.ssa ten prof.ssa",
        "cs": "čl kap kpt mjr odst tř plk pplk thdr",
        "es": "aa d dña mons n pdte profa st cnel tte ilmo ilma Fr aprox",
        "fr": "M MM av bd ch dr mgr mlle mme mmes prof st ste Pr Me Gal Col Cdt Lt Cap Sgt",
        "pt": "av d exa ltda pe profa r srta sta arq Cel Cap Ten exma Dep Gov Pres",
        "da": "bl.a sct kapt adv cand",
        "el": "αγ αρ βλ δεσπ δηλ εικ κ κα καθ κας κος λεωφ οδ σελ στρ τηλ πλ",
        "fi": "ins kts nro puh tri hra",
        "fil": "atty bb bgy brgy dra engr gg gng kag kgg pang sta sto bbs",
        "he": "פרופ",
        "hi": "कु डा डॉ नं पं पृ प्रो मि श्री श्रीमती सं",
        "hu": "gr ifj kft özv szt vkg br",
        "id": "dra hj ir jend jl jln kab kec kel kol kpt rp sdr tgl yth bpk tn ny",
        "mk": "бр бул г г-дин г-ѓа д-р инж проф св стр ул чл акад доц",
        "ms": "hj jln kapt kg pn sdn tn en",
        "nl": "ds jhr kol mej mevr mw kapt lt sgt",
        "pl": "abp al bł bp dr ds gen godz hab inż kard kpt ks lek m.in mgr mjr nr o os p pl "
        "ppłk ppor red sierż tj tzw płk prof św ul woj",
        "ro": "acad av bd bl cpt d-l d-lui d-na d-nei dl dlui dna dnei dra pr prof sf str șos arh",
        "ru": "гл доц корп напр обл оз пл проф рис св ст табл",
        "sv": "doc frk inkl jfr kap lic kand",
        "th": "ก ข ค ง จ ช ซ ด ดร ต ท น บ ป พ ฟ ภ ม ย ร ล ว ศ ส ห อ ฮ",
        "tr": "Org Sn alb apt av blv bşk cad doç ecz gör hz mah müh öğr örn ör prof sk sok uzm yrd "
        "yzb",
        "uk": "бул просп рис смт ів тов",
        "vi": "bs gs ks nxb pgs q ths tp ts tt tx",
    }.items()
}
"""By language, without the full stop; a capital where the abbreviation always has one."""

_NUMBERED = (
    "abb apr art aug bl cap cca chap cl dec déc eur feb febr févr fig janv juil kap kb kl mar núm "
    "nov oct pag pág pp rys sayfa sec séc sept sid stk tab tel tlf usd vol гл рис с ст табл "
    "σελ afb approx aprox arts blz čl ec env eq eqs ex ext figs hfst hwy kpl no nos núms obr odst "
    "págs pg poz ref refs rm ryc sez str thm vv"
)
BEFORE_NUMBERS = frozenset(_NUMBERED.split())
"""Of any language: what abbreviates where digits follow."""

_ENUMERATING = (
    "adatb apod atd dll dsb dst ecc enz etc itd itp jne l.m m.m osv stb tai usw v.v vb yms ym "
    "др ін т.д т.п п κ.λπ κλπ κτλ κ.ά"
)
ENUMERATING = frozenset(_ENUMERATING.split())
"""Of any language: what ends an enumeration, so that a capital after it begins a sentence."""

STARTERS = {
    code: frozenset(words.split())
    for code, words in {
        "en": "a he i it that there they we what",
        "de": "aber als auch da dann das deshalb dies diese doch ein eine er es heute hier ich "
        "jetzt man und was weil wenn wer wie wir wo",
        "es": "ahora cuando ella ellos entonces es esta este hoy luego nosotros pero que si y yo",
        "fr": "alors ce cela cette donc elle elles et il ils je mais nous on puis quand tu vous",
        "it": "allora anche e ella io loro lui ma noi oggi poi quando questa questo è",
        "pt": "agora depois e ela ele eles então esta este eu hoje mas nós quando que é",
        "cs": "a ale jsem je my on ona pak potom já to ten ta když",
        "da": "det du han hun jeg men når og så vi",
        "el": "αλλά αυτή αυτό αυτός εγώ εμείς και μετά",
        "nl": "dan dat dit een en er het hij ik maar toen we wij zij",
        "pl": "ale ja kiedy my on ona potem to",
        "ro": "apoi când dar ea ei el eu noi și",
        "ru": "а затем и когда мы но он она они потом теперь это я",
        "sv": "det du han hon jag men när och sedan sen så vi",
        "tr": "ama ben biz bu o sonra ve",
        "uk": "а але вона він вони коли ми потім тепер це я",
    }.items()
}
"""Words with which sentences begin and that are no names, so that none follows an initial."""

WORDS = {
    code: frozenset(words.split())
    for code, words in {
        "en": "art may me no",
        "de": "mich",
        "cs": "co nám tu",
        "fil": "mo pa",
        "hu": "nem",
        "id": "ia",
        "ms": "ia",
        "nl": "al best dat hand me pas top u ver vol",
        "da": "da del din form i med ned nord om par regn sort ti to tv var",
        "es": "ante bien contra extra mar no nos sobre super tras",
        "it": "ai api bar fa la le li lo ma mai me mi mt ne no post re set si sia so su te va vi "
        "via",
        "ro": "alta ia ore sens va",
        "sv": "del det ens hon i kan med min ord sen ut",
        "vi": "ca con la may va y",
    }.items()
}
"""What the splitter takes for abbreviations although sentences often end with it."""
