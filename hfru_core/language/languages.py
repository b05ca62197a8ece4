"""What each language says for yes, no, perhaps and "I can't tell": data, and nothing else.

Words are written as `text.words` compares them: lower case, without accents, "nt" for n't.
Expressions are matched against such words joined by spaces; those of Chinese, Japanese and Korean
against the text itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from simplemma import is_known

from hfru_core.language.dictionary import is_noun, key
from hfru_core.language.text import HANGUL, UNSPACED, folded, words

KANA = re.compile(r"[\u3040-\u30ff]")
OTHER_SCRIPT = re.compile(
    r"[\u0370-\u03ff\u0400-\u052f\u0530-\u06ff\u0900-\u0fff\u1000-\u10ff\u1200-\u137f\u1780-\u17ff]"
)  # Greek, Cyrillic, Armenian, Hebrew, Arabic, the scripts of India and South-East Asia, Ethiopic


@dataclass(frozen=True)
class Language:
    """How one language with spaces between its words says it."""

    function: frozenset[str]  # words by which a text of this language is known
    yes: re.Pattern[str]  # at the beginning of an answer
    no: re.Pattern[str]
    there: re.Pattern[str]  # "there is one": yes without saying so, nothing after it
    negators: frozenset[str]
    denying: re.Pattern[str]  # what denies with more than one word: "instead of"
    idioms: re.Pattern[str]  # negators that deny nothing: "not only", "no doubt"
    contrast: frozenset[str]  # words that end what a negator reaches
    joining: frozenset[str]  # words that carry it on: "no dog, cat or horse"
    absent: re.Pattern[str]  # after a name: "... cannot be seen"
    hedges: re.Pattern[str]  # before a name
    unable: re.Pattern[str]  # a sentence that declines to answer


def among(text: str) -> frozenset[str]:
    return frozenset(text.split())


def pattern(text: str) -> re.Pattern[str]:
    """An expression of whole words, written with free spacing."""
    return re.compile(rf"(?<!\S)(?:{' '.join(text.split())})(?!\S)")


VERBS = (
    "identify|recogni[sz]e|determine|tell|say|name|answer|help|assist|provide|discuss|comment|"
    "specify|confirm|make out|give|guess|figure out|discern|distinguish|ascertain|reveal"
)
ENGLISH = Language(
    function=among(
        "the a an is are of in on with and there this that it its i not no to at has have yes "
        "someone be can does do my from for or what who"
    ),
    yes=pattern(
        "(?:(?:final )?answer |well |oh |so |hmm )*(?:yes|yeah|yep|yup|yea|aye|sure|certainly|absolutely|definitely|indeed|"
        "of course|correct|right|affirmative|exactly|true|totally|clearly|obviously|"
        "without (?:a )?doubt|no doubt|undoubtedly|surely|that is (?:right|correct|true)|"
        "you are right|i (?:believe|think|suppose|guess) so|(?:the|my) answer is yes|i (?:do|can|see (?:one|it|two|some|several))|"
        "i (?:can|do) see (?:one|it|them|some)|it (?:is|does|sure is|appears so|seems so)|"
        "they (?:are|do)|there (?:is|are)(?: indeed)?)"
    ),
    no=pattern(
        "(?:(?:final )?answer |well |oh |so |hmm )*(?:no|nope|nah|not|none|never|negative|nothing|neither|nay|wrong|false|"
        "incorrect|nowhere|(?:absolutely|certainly|definitely|of course|surely|clearly) not|"
        "(?:the|my) answer is no|i do nt think so|(?:it|there|they|i) (?:is|are|do|does|did|can|could|was|were) ?(?:nt|not)|"
        "ca nt|i am afraid (?:not|there)|i doubt|unfortunately)"
    ),
    there=pattern(
        "(?:well )?(?:there (?:is|are)|i (?:can |do )?(?:see|spot|count|notice)|it (?:is|does)|"
        "they are|(?:he|she) is|you can see) ?"
        "(?:indeed|one|two|three|four|five|several|some|many|a few|a couple|both|of them|there|"
        "here|in (?:the|this) (?:image|picture|photo)|at least|just|exactly|only|visible|right|"
        "and|them|it|\\d+| )*"
    ),
    negators=among(
        "no not nt never without neither nor cannot none nobody nothing lacks lack lacking "
        "absence devoid zero 0 nowhere neither"
    ),
    denying=pattern("(?:instead|free|devoid|absence|sign|place) of|rather than"),
    idioms=pattern(
        "not (?:only|just|merely|simply|to mention|unlike|far from|surprisingly)|"
        "no (?:doubt|question|less|fewer|wonder|problem|matter)|without (?:a |any )?(?:doubt|question)|"
        "nothing but|nothing other than|none other than|no other than|"
        "(?:can not|cannot|ca nt|could nt) help but|cannot deny|ca nt deny|not only"
    ),
    contrast=among(
        "but however only instead rather though although except besides while whereas just yet "
        "because apart"
    ),
    joining=among("or nor and"),
    absent=pattern(
        "(?:(?:is|are|was|were|can|could|does|do|did|has|have) ?(?:nt|not|never)|cannot|ca nt)"
        "(?: (?:be|been|currently|actually|clearly|even|really|to))*"
        "(?: (?:visible|present|seen|shown|there|here|depicted|found|anywhere|pictured|included|"
        "featured|detected|evident|appear|exist|spotted|part of|"
        "in (?:the|this|that) (?:image|picture|photo|photograph|scene|frame|view|shot)))|"
        "(?:is|are|was|were|seems|seem) (?:absent|missing|nowhere|lacking|gone)|nowhere to be (?:seen|found)"
    ),
    hedges=pattern(
        "(?:could|may|might)(?: (?:also|even|well|just|possibly|not))* (?:be|have)|can be either|"
        "maybe|perhaps|possibly|possible|either|whether|if|unsure|unclear|uncertain|"
        "(?:not|nt) (?:quite |entirely |completely |really )?(?:sure|certain|clear)|"
        "(?:hard|difficult|impossible) to (?:tell|say|determine|know|identify)|"
        "(?:cannot|ca nt|can not|could nt|do nt|not able to|unable to) (?:really |quite )?"
        "(?:tell|say|know|determine|decide)(?: for sure)?|i wonder|wondering"
    ),
    unable=pattern(
        "(?:(?:i am|we are) (?:so |very |truly )?(?:sorry|afraid)|sorry|unfortunately|apologies|"
        "my apologies|i apologi[sz]e|as an? (?:ai|artificial|language|assistant|chat\\S*|virtual)(?: \\S+){0,4}?|"
        "however|but|that|well|from (?:the|this) (?:image|picture|photo)|based on \\S+ \\S+(?: alone)?| )*"
        "(?:(?:i|we) (?:am |are |was )?(?:do nt|do not|can not|cannot|ca nt|wo nt|will not|could nt|"
        "could not|not able to|unable to|not (?:allowed|permitted|comfortable|going|in a position)"
        "(?: to| in)?|would rather not|have no way to|refuse to|decline to|must decline)"
        "(?: (?:really|currently|accurately|definitively|confidently|reliably|clearly|be able to|"
        "provide any|give any|possibly))*"
        f"(?: (?:{VERBS}|identifying|naming|know(?! (?:this|that) (?:person|man|woman))|view|process|analy[sz]e)|"
        " (?:see|access|open) (?:(?:any|the|this|an|your) )?(?:image|picture|photo|attachment)s?)|(?<=sorry) (?:no|i (?:ca nt|cannot|can not))$|$|"
        "it is(?: (?:not|nt))?(?: (?:im)?possible| difficult| hard| unclear| too \\S+)"
        f"(?: for me)?(?: from \\S+ \\S+(?: \\S+)?)? (?:to (?:{VERBS}|know)|what|who)|"
        "there (?:is|are) (?:nt|not) enough \\S+ to|"
        f"(?:the|this) (?:image|picture|photo) (?:is|does) (?:too|not|nt) (?:\\S+ ){{1,5}}to (?:{VERBS})|"
        "(?:i|we) (?:have no idea|do not have enough|do nt have enough|rather not)|no (?:idea|comment)"
        ")"
    ),
)
GERMAN = Language(
    function=among(
        "der die das ein eine einen einem einer ist sind und auf im dem den nicht kein keine keinen "
        "zu es ich sehe mit bild zwei liegt steht nein ja sich von wird zeigt"
    ),
    yes=pattern(
        "ja|jawohl|doch|klar|natuerlich|naturlich|sicher|gewiss|genau|richtig|stimmt|"
        "selbstverstandlich|auf jeden fall|absolut|eindeutig"
    ),
    no=pattern(
        "nein|ne|nee|nicht|kein(?:e|en|er|es)?|keineswegs|auf keinen fall|leider (?:nein|nicht)|nichts"
    ),
    there=pattern(
        "(?:da|es|dort|hier|man|ich) (?:ist|sind|gibt|sieht|sehe|kann man)(?: (?:es|einer|eine|eines|"
        "einen|eins|zwei|drei|mehrere|einige|welche|davon|sehen))*"
    ),
    negators=among(
        "nicht kein keine keinen keinem keiner keines ohne weder noch nie niemals nirgends "
        "niemand nichts"
    ),
    denying=pattern("statt|anstatt|anstelle|frei von"),
    idioms=pattern("nicht (?:nur|zuletzt)|ohne zweifel|kein zweifel"),
    contrast=among("aber sondern nur jedoch doch wahrend sonst"),
    joining=among("oder noch und"),
    absent=pattern(
        "(?:ist|sind|war|kann|konnen)(?: \\S+){0,4}? (?:nicht|nirgends) (?:zu (?:sehen|erkennen|finden)|"
        "sichtbar|vorhanden|da|abgebildet|im bild|auf dem bild|gesehen|erkannt)(?: \\S+)?|"
        "nicht (?:zu sehen|zu erkennen|sichtbar|vorhanden|abgebildet)|fehlt|fehlen"
    ),
    hedges=pattern(
        "vielleicht|moglicherweise|eventuell|konnte(?:n)?|ob|entweder|womoglich|unklar|"
        "nicht sicher|schwer zu sagen|mag"
    ),
    unable=pattern(
        "(?:(?:es )?tut mir (?:sehr )?leid|leider|entschuldigung|entschuldige|als ki\\S*(?: \\S+)?|aber| )*"
        "(?:(?:ich )?(?:kann|konnte|darf|mochte|weiss|bin)(?: ich)?(?: \\S+){0,6}? "
        "(?:nicht|keine|nichts)(?: \\S+){0,6}?(?: (?:sagen|erkennen|bestimmen|identifizieren|"
        "beantworten|helfen|feststellen|benennen|lage|nennen|geben|beurteilen))|"
        "(?:das )?weiss ich (?:leider )?nicht|ich weiss (?:es|das)? ?(?:leider )?nicht|keine ahnung|"
        "(?:es )?(?:lasst|lassen) sich(?: \\S+){0,4}? nicht (?:erkennen|bestimmen|sagen)|nicht erkennbar)"
    ),
)
FRENCH = Language(
    function=among(
        "le la les un une des est sont et dans sur avec il elle ce cette pas ne du au je vois oui "
        "non qui que image deux y l d un son sa ses sans aux leur par mais ni ou"
    ),
    yes=pattern(
        "oui|ouais|si|bien sur|certainement|absolument|tout a fait|effectivement|en effet|"
        "exactement|exact|evidemment|bien entendu|c est (?:exact|vrai|correct)"
    ),
    no=pattern(
        "non|pas|nan|aucun|aucune|jamais|rien|nullement|absolument pas|certainement pas|"
        "bien sur que non|malheureusement"
    ),
    there=pattern("(?:il y en a|on en voit|j en vois|il y a)(?: (?:un|une|deux|trois|plusieurs))*"),
    negators=among("pas aucun aucune sans ni jamais rien nulle nul guere"),
    denying=pattern("au lieu d(?:e|u)?|plutot qu(?:e)?|a la place d(?:e|u)?"),
    idioms=pattern("(?:pas|non) (?:seulement|que)|sans (?:aucun )?doute"),
    contrast=among("mais seulement uniquement cependant plutot sauf tandis hormis"),
    joining=among("ou ni et"),
    absent=pattern(
        "n (?:est|sont|etait|apparait|apparaissent|y est|y sont) (?:pas|nulle part) (?:\\S+ )?"
        "(?:visibles?|presente?s?|la|ici|montree?s?|representee?s?|vue?s?|"
        "(?:sur|dans) (?:l|la|cette|le) \\S+)|"
        "(?:est|sont) (?:absent|absente|absents|absentes|invisible|invisibles)|ne se voit pas"
    ),
    hedges=pattern(
        "peut etre|pourrait|pourraient|possible|possiblement|soit|si|eventuellement|"
        "pas (?:sur|sure|certain|clair)|difficile (?:de|a) dire|je me demande"
    ),
    unable=pattern(
        "(?:(?:je suis )?(?:vraiment )?desolee?|pardon|malheureusement|je regrette|en tant qu(?: \\S+){1,4}?|mais| )*"
        "(?:je (?:ne |n )?(?:peux|puis|sais|saurais|suis|parviens|arrive|reconnais)(?: \\S+){0,3}? pas"
        "(?: (?:\\S+ ){0,5}?(?:dire|identifier|reconnaitre|determiner|repondre|aider|savoir|capable|en mesure))?"
        "|je (?:ne |n )?(?:peux|puis|sais) pas|il (?:est|m est) (?:impossible|difficile) de|impossible (?:de|a) "
        "(?:dire|identifier|determiner|savoir)|aucune idee)"
    ),
)
SPANISH = Language(
    function=among(
        "el la los las un una unos es son hay y en con de del no se esta este imagen veo que por "
        "dos si muestra al lo o u su sus podria ser para sobre sin como ni pero"
    ),
    yes=pattern("si|claro|por supuesto|ciertamente|desde luego|efectivamente|exacto|exactamente|"
                "correcto|cierto|absolutamente|definitivamente|asi es|sin duda"),
    no=pattern("no|ningun|ninguno|ninguna|nada|nunca|tampoco|para nada|en absoluto|claro que no|"
               "por supuesto que no|lamentablemente"),
    there=pattern("(?:hay|veo|se ve|se ven|existe)(?: (?:uno|una|un|dos|tres|varios|varias|algunos))*"),
    negators=among("no ningun ninguno ninguna ningunos sin ni tampoco nunca jamas nada nadie"),
    denying=pattern("en (?:lugar|vez) del?"),
    idioms=pattern("no (?:solo|solamente|unicamente)|sin (?:ninguna )?duda"),
    contrast=among("pero sino solo solamente unicamente aunque salvo excepto mientras"),
    joining=among("o u ni y"),
    absent=pattern("no (?:se (?:ve|ven|aprecia|aprecian|observa|observan|muestra|muestran|encuentra|encuentran)|"
                   "esta(?:n)? (?:presentes?|visibles?|ahi|aqui|en la)|es visible|son visibles|aparecen?|hay)|"
                   "esta(?:n)? ausentes?|falta(?:n)?"),
    hedges=pattern("quiza|quizas|tal vez|podria(?:n)?|puede ser|posible|posiblemente|acaso|si|"
                   "no (?:estoy )?segur[oa]|dificil de decir|o bien"),
    unable=pattern("(?:lo siento(?: mucho)?|disculpa(?:s|e)?|perdon|lamentablemente|desafortunadamente|lo lamento|"
                   "como (?:una? )?(?:ia|inteligencia|modelo|asistente)(?: \\S+){0,4}?|pero| )*"
                   "(?:(?:yo )?no (?:puedo|se|soy capaz|logro|podria|me es posible|estoy (?:en condiciones|segur[oa]|autorizad[oa]))"
                   "(?: (?:\\S+ ){0,4}?(?:decir|identificar|reconocer|determinar|responder|ayudar|saber|que|quien|nombrar))?"
                   "|no (?:puedo|lo se|se)$|(?:es|resulta|me es) (?:imposible|dificil) (?:de )?(?:decir|identificar|determinar|saber|reconocer)|"
                   "ni idea)"),
)  # fmt: skip
LANGUAGES = {"en": ENGLISH, "de": GERMAN, "fr": FRENCH, "es": SPANISH}


@dataclass(frozen=True)
class Script:
    """How a language says it whose words are not apart, or that denies at a clause's end."""

    yes: re.Pattern[str]
    no: re.Pattern[str]
    there: re.Pattern[str]
    clauses: re.Pattern[str]  # what stands between clauses
    denied_before: re.Pattern[str]  # in front of the name, in its clause
    denied_after: re.Pattern[str]
    hedged: re.Pattern[str]
    unable: re.Pattern[str]


NEVER = re.compile(r"(?!)")
SCRIPTS = {
    "zh": Script(
        yes=re.compile(
            r"(?:是的?|有(?!没有)|对的?|當然|当然|确实|確實|没错|沒錯|嗯|可以|肯定|正确|存在)"
        ),
        no=re.compile(r"(?:不|没|沒|无|無|否|并没|並沒|未)"),
        there=re.compile(r"(?:图中|图片中|照片中|里面|画面中)*(?:有|存在)[一二两三几多只个条]"),
        clauses=re.compile(r"[。！？!?；;\n，,]|但是?|而是|只有|不过|然而|只是"),
        denied_before=re.compile(
            r"(?:没有?|沒有?|不是|并非|並非|不存在|看不[到见見]|未[见見]|不[见見]|[无無](?!疑)|未|找不到|不包含|不含)"
            r"(?!不)"
        ),
        denied_after=re.compile(
            r"^\S{0,4}?(?:不在|不存在|不见|没有出现|看不[到见]|沒有出現|不可见)"
        ),
        hedged=re.compile(
            r"可能|也许|也許|或许|或許|是否|不确定|不確定|说不定|大概|还是|還是|或者"
        ),
        unable=re.compile(
            r"^(?:很?抱歉|对不起|對不起|不好意思|作为\S{0,12}[，,]|[，,。\s])*我?(?:还|還)?(?:无法|無法|不能|没办法|沒辦法|不知道"
            r"|不清楚|不确定|不確定|难以|難以|不便|认不出|看不出)"
        ),
    ),
    "ja": Script(
        yes=re.compile(
            r"(?:はい|ええ|うん|そうです|もちろん|います|いる|あります|ある|確かに|その通り|正しい|左様)"
        ),
        no=re.compile(
            r"(?:いいえ|いえ|いません|いない|ありません|ない|違い|違う|見当たり|見えません|そうではありません)"
        ),
        there=re.compile(
            r"(?:\S{0,6}[がは、])?(?:[一二三１２３\d]\S{0,2})?(?:います|あります|いる|写っています|見えます)"
        ),
        clauses=re.compile(
            r"[。！？!?\n、,]|ですが|ますが|だが|けれど|しかし|ではなくて?|じゃなくて?"
        ),
        denied_before=NEVER,
        denied_after=re.compile(
            r"(?:ない|いません|ありません|ませんでした|ません|見えず|なく|無い|無し|なし|不在|見当たら|ず(?:に)?$)"
        ),
        hedged=re.compile(
            r"かもしれ|かも|でしょうか|ますか|ですか|か、|可能性|おそらく|たぶん|または|もしかす"
        ),
        unable=re.compile(
            r"^(?:申し訳(?:ありません|ございません)(?:が|けど)?|すみません(?:が)?|ごめんなさい|残念ながら|AIとして\S{0,8}|[、。\s])*"
            r"(?:(?!ですが|ますが)[^。]){0,24}?(?:わかりません|分かりません|わからない|分からない|できません|できない|判断しかね|答えられません"
            r"|お答えでき|識別でき|特定でき|不明です)"
        ),
    ),
    "ko": Script(
        yes=re.compile(
            r"(?:네|예|응|맞습니다|맞아요|그렇습니다|그럼요|물론|있습니다|있어요|있다|있네요|확실히)"
        ),
        no=re.compile(r"(?:아니|아뇨|없|안 |못 |보이지 않|그렇지 않|전혀)"),
        there=re.compile(
            r"(?:\S+에(?:는)? )?(?:한|두|세|몇|여러|하나|둘)?\s?(?:마리|명|개|대)?(?:가|이)?\s?(?:있습니다|있어요|있다|보입니다)"
        ),
        clauses=re.compile(
            r"[.!?\n,。]|(?<=고)\s|(?<=지만)\s|(?<=는데)\s|(?<=으며)\s|(?<=며)\s|하지만|아니라"
        ),
        denied_before=NEVER,
        denied_after=re.compile(r"(?:없|아니|아닙|아녜|아님|않|안 보|못 )"),
        hedged=re.compile(
            r"수도 있|지도 모르|지도 모릅|아마|일까|혹은|또는|이거나|불확실|확실하지"
        ),
        unable=re.compile(
            r"^(?:죄송(?:합니다|하지만|해요)?(?:만)?|미안(?:합니다|하지만|해요)?|유감(?:이지만|스럽게도)?|AI\S*\s?|[,.\s]|저는)*"
            r"(?:(?!지만)[^.]){0,30}?(?:수 없|모르겠|모릅니다|알 수가 없|못합니다|못해요|어렵습니다|불가능)"
        ),
    ),
}
# Words that hold a short one and are another thing: a panda is no cat.
OTHER_THINGS = (
    "热狗", "熱狗", "海狗", "天狗", "熊猫", "熊貓", "大熊猫", "猫头鹰", "貓頭鷹", "斑马", "斑馬", "河马", "河馬",
    "海马", "海馬", "马路", "馬路", "马上", "馬上", "马桶", "馬桶", "罗马", "木马", "牛仔", "牛奶", "蜗牛", "蝸牛",
    "羊毛", "車椅子", "自転車", "电车", "電車", "列車", "汽車", "馬車", "駐車", "車道", "車輪", "火车", "火車", "车道", "自行車", "鸟巢", "鱼尾", "鳄鱼", "鱷魚", "鲸鱼", "人行", "机车", "車站", "车站", "书包", "花生", "鶏肉",
)  # fmt: skip


LANGUAGE_NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish",
    "zh": "Chinese", "ja": "Japanese", "ko": "Korean",
}  # fmt: skip


@lru_cache(maxsize=4096)
def speaks(word: str, code: str) -> bool:
    """Whether a word may be one of a language, by its script and, in Latin, by simplemma's list.

    Names with several words are taken for words of every Latin language.
    """
    if code in SCRIPTS:
        return {"zh": UNSPACED, "ja": UNSPACED, "ko": HANGUL}[code].search(word) is not None
    if HANGUL.search(word) or UNSPACED.search(word) or OTHER_SCRIPT.search(word):
        return False
    if code == "en":
        return True
    english = is_noun(key(word))  # "Puppy" is in the list of German words too
    return not english and any(is_known(w, lang=code) for w in (word, word.lower(), word.title()))


@lru_cache(maxsize=8192)
def language_of(text: str) -> str:
    """The language of a text by its script and small words: a code, "en" for what shows nothing,
    "" where it is none of those known here."""
    if HANGUL.search(text):
        return "ko"
    if UNSPACED.search(text):
        return "ja" if KANA.search(text) else "zh"
    if OTHER_SCRIPT.search(folded(text).text):
        return ""
    said = [w.key for w in words(text)]
    votes = {code: sum(w in lang.function for w in said) for code, lang in LANGUAGES.items()}
    best = max(votes, key=votes.__getitem__)
    return best if votes[best] > votes["en"] else "en"
