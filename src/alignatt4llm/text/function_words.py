"""Words that tell where a line may end: it ends best before some, and badly after others."""

_JOINING = {
    "de": "und oder aber denn sondern doch weil dass ob wenn als obwohl während damit bevor "
    "nachdem sodass sowie wie bis seit falls indem wo wer was welche welcher welches der "
    "die das den dem",
    "en": "and or but nor so yet because that if when while although though unless until since as "
    "whether where who which whose whom what how than",
    "es": "y e o u pero sino porque que si cuando mientras aunque como donde quien cual pues",
    "fr": "et ou mais donc or ni car que qui quand lorsque si parce puisque comme où dont quoique "
    "pendant",
    "it": "e ed o oppure ma però perché che se quando mentre anche come dove chi cui quindi "
    "poiché affinché",
    "pt": "e ou mas porém porque que se quando enquanto embora como onde quem pois",
}
"""Conjunctions and relative words, by language."""
_PREPOSITIONS = {
    "de": "an auf aus bei durch für gegen hinter in im ins am ans beim vom zum zur mit nach neben "
    "ohne seit über um unter von vor wegen zu zwischen trotz gegenüber",
    "en": "about above across after against along among around at before behind below beneath "
    "beside between beyond by down during for from in inside into near of off on onto out "
    "over through to toward towards under up upon with within without",
    "es": "a al ante bajo con contra de del desde durante en entre hacia hasta para por según sin "
    "sobre tras",
    "fr": "à au aux avec chez contre dans de des du depuis derrière dès devant durant en entre "
    "vers jusque par parmi pour sans selon sous sur",
    "it": "a ad al allo alla ai agli alle con contro da dal dallo dalla dai dagli dalle di del "
    "dello della dei degli delle durante fra tra in nel nello nella nei negli nelle per su "
    "sul sullo sulla sui sugli sulle senza sotto sopra verso",
    "pt": "a ao aos à às até com contra da das de desde do dos durante em entre na nas no nos "
    "para pela pelas pelo pelos por sem sob sobre",
}
_CLINGING = {
    "de": "der die das den dem des ein eine einen einem einer eines kein keine keinen keinem "
    "keiner ich du er sie es wir ihr man mein meine dein seine ihre unser unsere dieser "
    "diese dieses diesen diesem jeder jede jedes nicht sehr zu ist sind war waren wird "
    "werden wurde hat haben hatte kann können muss müssen soll will dr herr frau",
    "en": "a an the this that these those my your his her its our their some any no every each i "
    "you he she it we they not very is are was were be been being am has have had do does "
    "did will would can could shall should may might must mr mrs ms dr",
    "es": "el la los las un una unos unas mi tu su mis tus sus este esta estos estas ese esa yo "
    "tú él ella nosotros ellos ellas me te se nos le les lo no muy es son era ha han había "
    "he está están puede pueden",
    "fr": "le la les l un une ce cet cette ces mon ma mes ton ta tes son sa ses notre nos votre "
    "vos leur leurs je tu il elle on nous vous ils elles me te se ne pas très est sont "
    "était a ont avait peut peuvent m mme",
    "it": "il lo la i gli le un uno una questo questa questi queste quel quella mio mia suo sua "
    "io tu lui lei noi voi loro mi ti si ci vi ne non molto è sono era ha hanno aveva ho "
    "può possono",
    "pt": "o a os as um uma uns umas meu minha seu sua este esta esse essa eu tu ele ela nós eles "
    "elas me te se nos lhe não muito é são era foi tem têm há está estão pode podem",
}
"""Articles, pronouns, auxiliaries, negations and titles, by language."""


def _sets(table: dict[str, str]) -> dict[str, frozenset[str]]:
    return {code: frozenset(words.split()) for code, words in table.items()}


OPENING = _sets({code: f"{_JOINING[code]} {_PREPOSITIONS[code]}" for code in _JOINING})
"""A line ends well before these: conjunctions and prepositions."""
CLINGING = _sets(
    {code: f"{_CLINGING[code]} {_JOINING[code]} {_PREPOSITIONS[code]}" for code in _CLINGING}
)
"""A line ends badly after these: they belong to the word that follows."""
