"""Where sentences and clauses end, in every language of the table."""

import pytest

from alignatt4llm.audio.samples import SAMPLE_RATE
from alignatt4llm.events import SourceWord
from alignatt4llm.text.languages import LANGUAGES, language
from alignatt4llm.text.sentences import (
    ends_clause,
    ends_sentence,
    has_full_stop,
    without_full_stop,
)
from alignatt4llm.text.words import split_words
from alignatt4llm.transcript import Recognition, SourceSettings, Transcript

SENTENCES = """
en|I met Gen. Lee at Acme Inc. in Boston on Jan. 5 with Dr. Smith and Mrs. Jones Jr. of the F.B.I. yesterday.
en|He works at Acme Inc. | It is in Boston.
en|We came at 5 p.m. | We left at six.
en|We came at 5 p.m. and left at six.
en|She lives in the U.S. and works for the U.N. in Geneva.
en|She lives in the U.S. | He does not.
en|The U.S. Senate voted.
en|She has a Ph.D. in physics.
en|She has a Ph.D. | He has none.
en|Fruit, e.g. apples, i.e. pomes, etc. are good.
en|Profits fell by 12.5% to $1.3 million. | Then they rose.
en|Go to example.com or https://a.b/c?d=e now. | Then wait.
en|Really?! | Yes!
en|"Stop!" he said. | "Why?" | She left.
en|He said "Stop." | Then she left.
en|Well ... maybe not.
en|I was... tired.
en|The answer is No. 5 on the list.
en|Is it yes? | No. | Go away.
en|See Fig. 3 and Sec. 4.1 of Vol. 2, pp. 10 ff.
en|In the year 2019. | Then we left.
en|There were 12. | Then we left.
en|We are on St. Mary's Ave. near Mt. Everest.
en|J. R. R. Tolkien wrote it.
en|It was George W. Bush who spoke.
en|It works vs. the other one.
en|Smith et al. showed it.
en|Mr. and Mrs. Smith came on Sept. 3 at 10:30 a.m. sharp.
en|Sen. Jones and Rep. Lee met Gov. Brown, Lt. Col. Davis and Capt. Hook.
en|He said Yahoo! is great.
en|It cost approx. 5 dollars. | And more.
en|The meeting is on Mon. or Tue. next week.
en|The plan is A. | The other plan is B.
en|Vitamin C. | It is good.
en|You and I. | We know.
en|I know that. | I do too.
en|So does he. | It is fine.
en|Look at it. | Is it good?
en|This is the end of the art. | Then we go.
en|He came in second. | We came first.
en|I like the sun. | It is warm.
en|They met in the fall of March. | Then they left.
de|Das ist z.B. gut, d.h. sehr gut, usw. und so weiter.
de|Das ist z. B. gut, d. h. sehr gut, u. a. wegen Dr. Müller.
de|Am 3. Oktober 2020 war es. | Dann kam der 4. Mai.
de|Prof. Dr. Schmidt und Hr. Meier kommen bzw. gehen. | Gut.
de|Das kostet ca. 1.000,50 € pro Stück. | Teuer.
de|Er lebt in der Goethestr. 5 in Berlin. | Sie nicht.
de|König Ludwig XIV. war groß. | Ja.
de|Im 19. Jahrhundert war das so. | Heute nicht.
de|Das ist wahr. | Ich weiß es.
de|Siehe Abs. 3, Art. 5 und Nr. 7, vgl. S. 10 ff.
de|Wir haben es gut. | Es ist alt. | Das ist neu.
it|Il sig. Rossi e la dott.ssa Bianchi, cioè il prof. Verdi. | Bene.
it|Abbiamo visto l'art. 5 a pag. 10. | Poi basta.
es|El Sr. López y la Sra. García, p. ej. en EE. UU. viven bien. | Sí.
es|El Dr. Ruiz llegó a las 5 p.m. | Luego se fue.
es|¿Cómo estás? | ¡Muy bien! | Gracias.
es|Vive en EE.UU. desde 1990. | Está bien.
fr|M. Dupont et Mme. Martin sont là. | Bien.
fr|M. Dupont et Mme Martin, c.-à-d. nos amis, etc. sont là.
fr|Qu'est-ce que c'est ? | C'est « bon ». | Merci !
fr|Le 3 janv. 2020 à 10h30. | Puis rien.
pt|O Sr. Silva e a Sra. Costa moram na Av. Paulista. | Sim.
pt|O Dr. José chegou, p. ex. ontem. | Depois saiu.
cs|Pan Ing. Novák a tj. jeho žena přišli. | Dobře.
cs|Je to např. dobré, tzn. velmi dobré, atd. a tak dále.
cs|Dne 28. října 1918 vznikl stát. | Potom dále.
da|Det er f.eks. godt, dvs. meget godt, osv. og så videre.
da|Den 3. oktober kom han. | Så gik han.
nl|Dat is bijv. goed, d.w.z. heel goed, enz. en zo verder.
nl|Dhr. Jansen en mevr. de Vries zijn hier. | Goed.
nl|Hij kwam om 5 uur. | Toen ging hij.
sv|Det är t.ex. bra, dvs. mycket bra, osv. och så vidare.
sv|Det är bl.a. bra. | Det är fint.
pl|Pan dr. Nowak i prof. Kowalski, tj. nasi, np. tutaj, itd. i tak dalej.
pl|Ul. Mickiewicza 5 jest tu. | Dobrze.
pl|To jest m.in. dobre. | Tak.
ru|Это г. Москва, ул. Ленина, т.е. центр, т. д. и т. п. всё.
ru|В 2020 г. мы жили там. | Потом уехали.
ru|А. С. Пушкин родился в Москве. | Он умер.
uk|Це м. Київ, вул. Хрещатик, тобто центр. | Так.
uk|У 2020 р. ми жили там. | Потім поїхали.
ro|Dl. Popescu și dna. Ionescu, de ex. aici. | Bine.
hu|Dr. Kovács, pl. itt, kb. öt éve, stb. él.
hu|Október 3. volt. | Aztán elment.
fi|Esim. tämä on hyvä, ts. erittäin hyvä, jne. ja niin edelleen.
fi|Hän tuli 3. lokakuuta 2020. | Sitten hän lähti.
tr|Dr. Yılmaz ve Prof. Kaya, vb. geldi. | Sonra gitti.
tr|Bu 3. gün. | Sonra gitti.
id|Dr. Budi dan Prof. Sari tinggal di Jl. Merdeka. | Ya.
ms|Dr. Ali dan Prof. Siti tinggal di Jln. Merdeka. | Ya.
fil|Si G. Cruz at Gng. Reyes ay narito. | Oo.
vi|TS. Nguyễn và ThS. Trần ở TP. Hồ Chí Minh. | Vâng.
mk|Тоа е на пр. добро, т.е. многу добро. | Да.
el|Ο κ. Παπαδόπουλος και η κα. Μαρία, π.χ. εδώ. | Ναι.
el|Πού είσαι; | Είμαι εδώ.
hi|यह पहला वाक्य है। | यह दूसरा है।
hi|डॉ. शर्मा आए। | वे चले गए।
hi|यह क्या है? | यह अच्छा है।
ar|هل أنت بخير؟ | نعم. | شكرا.
ar|د. أحمد جاء. | ثم ذهب.
fa|آیا خوبی؟ | بله. | ممنون.
fa|این خوب است۔ | بله.
he|ד"ר כהן בא. | הוא הלך.
he|מה שלומך? | טוב.
ko|안녕하세요. | 반갑습니다.
ko|가격은 12.5% 올랐습니다. | 좋아요.
zh|你好。 | 我很好！ | 是吗？ | 好。
zh|价格是3.5元。 | 好。
ja|今日は晴れです。 | 明日は雨？ | そう！
ja|「はい。」 | そうです。
th|สวัสดีครับ ผมชื่อ
yue|你好。 | 係咪？ | 係！
de|Goethe schrieb es. | Schiller las es.
en|Prices rose to $3.50. | Then they fell.
en|It is 10:30. | We go.
en|It ended in 3.5. | Then it began.
en|Ask mail@x.org. | They know.
en|AT&T Corp. and Johnson & Johnson Ltd. are big. | Yes.
en|COVID-19 is over. | O'Brien knows.
en|They came from Washington, D.C. by train.
en|We ate approx. 5 of them.
en|hello there. | how are you? | fine.
es|Vivimos muy bien. | Gracias.
fr|C'est fini… | Nous partons.
ja|終わりだ… | 次です。
ar|انتهى الأمر... | ثم ذهب.
fa|تمام شد. | بله؟ | خیر.
hi|वह आया॥ | वह गया।
hi|सच?! | हाँ!
hi|श्री. वर्मा और डॉ. खान आए। | वे बैठे।
ja|終わりました。 | 2020年です。
zh|到了。 | 3月走。
el|Ο Τζον Φ. Κένεντι ήρθε. | Ναι.
it|E così via. | Poi basta.
da|Han kom med. | Så gik vi.
sv|Jag vet det. | Sen gick vi.
pl|Centrum ds. Huraganów działa. | Tak.
zh|真的吗？！ | 是的…… | 好。
th|ดีไหม? | ดี
en|We left (he was tired.) | Then we slept.
en|It was for me. | Xavier left.
en|The answer is no. | Xavier left.
en|He is at No. 10 now. | Xavier left.
de|Er kennt mich. | Xaver geht.
de|Das Lied heißt „Kenn mich.“ | Darum kam er.
it|Non lo so. | Andrea parte.
sv|Så gör hon. | Anna går.
hu|Ő nem. | Péter elment.
nl|Hij doet zijn best. | Jan gaat.
da|Han har to. | Jens gik.
es|Dijo que no. | Carlos se fue.
id|Itulah ia. | Budi pergi.
cs|Řekl to nám. | Petr odešel.
en|(He was tired.) | Then he slept.
en|The song is "Easy on Me." | For that I came.
en|The song is “Easy on Me.” | For that I came.
de|Das Lied heißt „Lass uns.“ | Darum kam er.
de|Er ging (es war spät.) | Dann schlief er.
en|He lives in the U.S. | I speak English.
en|We came at 9 a.m. | A man left.
en|They sell rock, pop, etc. | It's loud.
en|It is plan B. | I'm sure.
en|Figs. 3 and 4 and Eq. 5 show it. | Look.
en|See Fig. A of it.
de|Er mag Äpfel, Birnen usw. | Sie mag Nüsse.
de|Es sind 12. | Wir zählen.
de|Das sind 5 Mrd. | Das ist viel.
de|Frau Dipl.-Ing. Maier von der Fa. Müller kam. | Gut.
de|Der II. Weltkrieg begann. | Viele starben.
fr|J.-P. Sartre et le Pr. Dubois. | Bien.
fr|Des pommes, des poires, etc. | Marie aime ça.
es|Vive en EE.UU. | Ella trabaja.
es|Son aprox. 5 km. | Luego nada.
it|Mele, pere ecc. | Maria le ama.
it|Il n. 5 è qui. | Sì.
it|Sono 3 °C. | Poi piove.
da|Skriv til x@y.org. | Så venter vi.
nl|Hij kwam. | 't Was laat.
pl|Jabłka, gruszki itd. | Maria je lubi.
cs|Jablka, hrušky atd. | Marie je má ráda.
ru|Яблоки, груши и т.д. | Мария их любит.
uk|Ів. Франко писав і т.д. | Марія читала.
hu|A IV. Béla király volt. | Igen.
id|Lalu Bpk. Budi dan Ibu Siti. | Ya.
ar|هنا أ.د. محمد. | نعم.
ja|「行く。」と言った。 | そう。
ja|「本当？」って聞いた。 | はい。
""".strip().splitlines()  # noqa: E501
"""A language and its sentences, divided by bars."""


def utterances(text, spoken):
    """What a session closes of words that are spoken without a pause."""
    words = [
        SourceWord(word, i / 4, (i + 1) / 4) for i, word in enumerate(split_words(text, spoken))
    ]
    transcript = Transcript(spoken, SourceSettings(max_words=400))
    closed = []
    for count in range(1, len(words) + 1):
        transcript.update(
            Recognition((words[count - 1],), tuple(words[count:][:1])), SAMPLE_RATE // 4
        )
        while at := transcript.closing():
            closed.append(spoken.separator.join(word.text for word in transcript.close(at)))
    transcript.finish(Recognition())
    closed.append(spoken.separator.join(word.text for word in transcript.close(len(words))))
    return [one.strip() for one in closed if one]


@pytest.mark.parametrize("row", SENTENCES)
def test_a_close_is_at_the_end_of_every_sentence_and_nowhere_else(row):
    code, rest = row.split("|", 1)
    sentences = [sentence.strip() for sentence in rest.split(" | ")]
    spoken = LANGUAGES[code]
    assert utterances(spoken.separator.join(sentences), spoken) == sentences


def test_every_language_of_the_table_has_a_row():
    assert {row.split("|")[0] for row in SENTENCES} == set(LANGUAGES)


@pytest.mark.parametrize(
    ("before", "after", "ends"),
    [
        ("We left at 5 p.m.", "We", True),
        ("We left at 5 p.m.", "and", False),
        ("We left.", "", True),
        ("It was Dr.", "", True),
        ("We left", "", False),
        ('He said "yes."', "Then", True),
        ("He left.", '"Why', True),
        ("He left.", "(Then", True),
        ("Ellos van.", "¿Quién", True),
        ('"Why?"', "she", False),
        ("It costs 5 %.", "Then", True),
        ("https://a.b/c?", "Then", True),
    ],
)
def test_the_next_word_tells(before, after, ends):
    assert ends_sentence(before.split(), after, language("en")) is ends


@pytest.mark.parametrize("code", ["de", "cs", "da", "fi", "hu", "pl", "tr"])
def test_a_number_with_a_full_stop_may_be_an_ordinal(code):
    assert not ends_sentence(["Am", "3."], "Oktober", language(code))
    assert ends_sentence(["Im", "Jahr", "2019."], "Dann", language(code))


@pytest.mark.parametrize(
    ("code", "text", "bare"),
    [
        ("de", "Ja.", "Ja"),
        ("de", "Ja. ", "Ja"),
        ("de", '"Ja."', '"Ja'),
        ("de", "Ja, ja", "Ja, ja"),
        ("de", "", ""),
        ("zh", "好。」", "好"),
        ("zh", "好。 」", "好"),
        ("en", "Really?!", "Really"),
        ("en", "Well…", "Well"),
        ("en", "12.5%.", "12.5%"),
        ("fr", "Ça va ?", "Ça va"),
        ("fr", "« Oui. »", "« Oui"),
        ("hi", "यह है।", "यह है"),
        ("ar", "بخير؟", "بخير"),
        ("fa", "است۔", "است"),
        ("el", "Πού είσαι;", "Πού είσαι"),
        ("en", "We saw it;", "We saw it;"),
        ("ja", "はい．", "はい"),
    ],
)
def test_text_without_its_full_stop(code, text, bare):
    assert without_full_stop(text, language(code)) == bare
    assert has_full_stop(text, language(code)) is (text.rstrip() != bare)


@pytest.mark.parametrize(
    ("code", "word", "ends"),
    [
        ("en", "well,", True), ("en", "well;", True), ("en", "yes —", True), ("en", 'yes,"', True),
        ("zh", "好，", True), ("ja", "は、", True), ("ar", "نعم،", True), ("fa", "بله؛", True),
        ("el", "ναι·", True), ("el", "ναι;", False), ("en", "10:30", False), ("en", "1,000", False),
        ("en", "end.", False),
    ],
)  # fmt: skip
def test_where_one_may_pause(code, word, ends):
    assert ends_clause(word, language(code)) is ends
