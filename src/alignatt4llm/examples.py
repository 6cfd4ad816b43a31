"""Parallel sentences that show a model what is asked; written for this purpose."""

from alignatt4llm.languages import Pair

EXAMPLES: tuple[dict[str, str], ...] = (
    {
        "en": "Good morning, everyone, and thank you for coming.",
        "de": "Guten Morgen zusammen und danke, dass Sie gekommen sind.",
        "it": "Buongiorno a tutti e grazie per essere venuti.",
        "zh": "大家早上好，感谢各位的到来。",
        "cs": "Dobré ráno všem a děkuji, že jste přišli.",
        "es": "Buenos días a todos y gracias por venir.",
        "fr": "Bonjour à tous et merci d'être venus.",
        "ja": "皆さん、おはようございます。お越しいただきありがとうございます。",
        "pt": "Bom dia a todos e obrigado por terem vindo.",
        "ar": "صباح الخير جميعًا، وشكرًا لحضوركم.",
        "he": "בוקר טוב לכולם, ותודה שבאתם.",
        "ko": "여러분 안녕하세요, 와 주셔서 감사합니다.",
        "nl": "Goedemorgen allemaal, en bedankt voor jullie komst.",
        "pl": "Dzień dobry wszystkim i dziękuję za przybycie.",
        "ru": "Доброе утро всем и спасибо, что пришли.",
        "th": "สวัสดีตอนเช้าทุกคน ขอบคุณที่มากันครับ",
        "tr": "Herkese günaydın, geldiğiniz için teşekkürler.",
        "uk": "Доброго ранку всім і дякую, що прийшли.",
    },
    {
        "en": "The first train leaves the station at seven in the morning.",
        "de": "Der erste Zug verlässt den Bahnhof um sieben Uhr morgens.",
        "it": "Il primo treno lascia la stazione alle sette del mattino.",
        "zh": "第一班火车早上七点离开车站。",
        "cs": "První vlak odjíždí z nádraží v sedm hodin ráno.",
        "es": "El primer tren sale de la estación a las siete de la mañana.",
        "fr": "Le premier train quitte la gare à sept heures du matin.",
        "ja": "始発列車は朝七時に駅を出ます。",
        "pt": "O primeiro trem sai da estação às sete da manhã.",
        "ar": "يغادر القطار الأول المحطة في السابعة صباحًا.",
        "he": "הרכבת הראשונה יוצאת מהתחנה בשבע בבוקר.",
        "ko": "첫 기차는 아침 일곱 시에 역을 출발합니다.",
        "nl": "De eerste trein vertrekt om zeven uur 's ochtends van het station.",
        "pl": "Pierwszy pociąg odjeżdża ze stacji o siódmej rano.",
        "ru": "Первый поезд отправляется со станции в семь утра.",
        "th": "รถไฟขบวนแรกออกจากสถานีตอนเจ็ดโมงเช้า",
        "tr": "İlk tren sabah yedide istasyondan kalkıyor.",
        "uk": "Перший потяг вирушає зі станції о сьомій ранку.",
    },
    {
        "en": "We found that the new method is faster, but it needs more memory.",
        "de": "Wir haben festgestellt, dass die neue Methode schneller ist, aber mehr Speicher braucht.",
        "it": "Abbiamo scoperto che il nuovo metodo è più veloce, ma richiede più memoria.",
        "zh": "我们发现新方法更快，但需要更多内存。",
        "cs": "Zjistili jsme, že nová metoda je rychlejší, ale potřebuje více paměti.",
        "es": "Descubrimos que el nuevo método es más rápido, pero necesita más memoria.",
        "fr": "Nous avons constaté que la nouvelle méthode est plus rapide, mais qu'elle demande plus de mémoire.",
        "ja": "新しい手法はより速いが、より多くのメモリを必要とすることが分かりました。",
        "pt": "Descobrimos que o novo método é mais rápido, mas precisa de mais memória.",
        "ar": "وجدنا أن الطريقة الجديدة أسرع، لكنها تحتاج إلى ذاكرة أكبر.",
        "he": "מצאנו שהשיטה החדשה מהירה יותר, אבל היא צריכה יותר זיכרון.",
        "ko": "새로운 방법이 더 빠르지만 더 많은 메모리가 필요하다는 것을 알게 되었습니다.",
        "nl": "We hebben gemerkt dat de nieuwe methode sneller is, maar meer geheugen nodig heeft.",
        "pl": "Odkryliśmy, że nowa metoda jest szybsza, ale wymaga więcej pamięci.",
        "ru": "Мы обнаружили, что новый метод быстрее, но требует больше памяти.",
        "th": "เราพบว่าวิธีใหม่เร็วกว่า แต่ต้องใช้หน่วยความจำมากกว่า",
        "tr": "Yeni yöntemin daha hızlı olduğunu ama daha fazla bellek gerektirdiğini gördük.",
        "uk": "Ми виявили, що новий метод швидший, але потребує більше пам'яті.",
    },
)
"""The same three sentences in every language that has them, by code."""


def examples(pair: Pair) -> list[tuple[str, str]]:
    """Return the sentences of a pair; none where a language lacks them."""
    source, target = pair.source.code, pair.target.code
    return [(line[source], line[target]) for line in EXAMPLES if {source, target} <= {*line}]
