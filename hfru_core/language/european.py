"""English, German, French and Spanish, as `phrases.py` describes."""

from __future__ import annotations

from hfru_core.language.phrases import Language, among, pattern

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
        "(?:(?:final )?answer |well |oh |so |hmm )*(?:yes|yeah|yep|yup|yea|aye|sure|certainly|"
        "absolutely|definitely|indeed|"
        "of course|correct|right|affirmative|exactly|true|totally|clearly|obviously|"
        "without (?:a )?doubt|no doubt|undoubtedly|surely|that is (?:right|correct|true)|"
        "you are right|i (?:believe|think|suppose|guess) so|(?:the|my) answer is yes|i (?:do|"
        "can|see (?:one|it|two|some|several))|"
        "i (?:can|do) see (?:one|it|them|some)|it (?:is|does|sure is|appears so|seems so)|"
        "they (?:are|do)|there (?:is|are)(?: indeed)?)"
    ),
    no=pattern(
        "(?:(?:final )?answer |well |oh |so |hmm )*(?:no|nope|nah|not|none|never|negative|"
        "nothing|neither|nay|wrong|false|"
        "incorrect|nowhere|(?:absolutely|certainly|definitely|of course|surely|clearly) not|"
        "(?:the|my) answer is no|i do nt think so|(?:it|there|they|i) (?:is|are|do|does|did|"
        "can|could|was|were) ?(?:nt|not)|"
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
        "no (?:doubt|question|less|fewer|wonder|problem|matter)|without (?:a |any )?(?:doubt|"
        "question)|"
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
        "(?:is|are|was|were|seems|seem) (?:absent|missing|nowhere|lacking|gone)|nowhere to be "
        "(?:seen|found)"
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
        "my apologies|i apologi[sz]e|as an? (?:ai|artificial|language|assistant|chat\\S*|"
        "virtual)(?: \\S+){0,4}?|"
        "however|but|that|well|from (?:the|this) (?:image|picture|photo)|based on \\S+ \\S+(?: "
        "alone)?| )*"
        "(?:(?:i|we) (?:am |are |was )?(?:do nt|do not|can not|cannot|ca nt|wo nt|will not|"
        "could nt|"
        "could not|not able to|unable to|not (?:allowed|permitted|comfortable|going|in a position)"
        "(?: to| in)?|would rather not|have no way to|refuse to|decline to|must decline)"
        "(?: (?:really|currently|accurately|definitively|confidently|reliably|clearly|be able to|"
        "provide any|give any|possibly))*"
        f"(?: (?:{VERBS}|identifying|naming|know(?! (?:this|that) (?:person|man|woman))|view|"
        f"process|analy[sz]e)|"
        " (?:see|access|open) (?:(?:any|the|this|an|your) )?(?:image|picture|photo|"
        "attachment)s?)|(?<=sorry) (?:no|i (?:ca nt|cannot|can not))$|$|"
        "it is(?: (?:not|nt))?(?: (?:im)?possible| difficult| hard| unclear| too \\S+)"
        f"(?: for me)?(?: from \\S+ \\S+(?: \\S+)?)? (?:to (?:{VERBS}|know)|what|who)|"
        "there (?:is|are) (?:nt|not) enough \\S+ to|"
        f"(?:the|this) (?:image|picture|photo) (?:is|does) (?:too|not|nt) (?:\\S+ ){{1,5}}to "
        f"(?:{VERBS})|"
        "(?:i|we) (?:have no idea|do not have enough|do nt have enough|rather not)|no (?:idea|"
        "comment)"
        ")"
    ),
)
GERMAN = Language(
    function=among(
        "der die das ein eine einen einem einer ist sind und auf im dem den nicht kein keine "
        "keinen "
        "zu es ich sehe mit bild zwei liegt steht nein ja sich von wird zeigt"
    ),
    yes=pattern(
        "ja|jawohl|doch|klar|natuerlich|naturlich|sicher|gewiss|genau|richtig|stimmt|"
        "selbstverstandlich|auf jeden fall|absolut|eindeutig"
    ),
    no=pattern(
        "nein|ne|nee|nicht|kein(?:e|en|er|es)?|keineswegs|auf keinen fall|leider (?:nein|"
        "nicht)|nichts"
    ),
    there=pattern(
        "(?:da|es|dort|hier|man|ich) (?:ist|sind|gibt|sieht|sehe|kann man)(?: (?:es|einer|eine|"
        "eines|"
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
        "(?:ist|sind|war|kann|konnen)(?: \\S+){0,4}? (?:nicht|nirgends) (?:zu (?:sehen|"
        "erkennen|finden)|"
        "sichtbar|vorhanden|da|abgebildet|im bild|auf dem bild|gesehen|erkannt)(?: \\S+)?|"
        "nicht (?:zu sehen|zu erkennen|sichtbar|vorhanden|abgebildet)|fehlt|fehlen"
    ),
    hedges=pattern(
        "vielleicht|moglicherweise|eventuell|konnte(?:n)?|ob|entweder|womoglich|unklar|"
        "nicht sicher|schwer zu sagen|mag"
    ),
    unable=pattern(
        "(?:(?:es )?tut mir (?:sehr )?leid|leider|entschuldigung|entschuldige|als ki\\S*(?: "
        "\\S+)?|aber| )*"
        "(?:(?:ich )?(?:kann|konnte|darf|mochte|weiss|bin)(?: ich)?(?: \\S+){0,6}? "
        "(?:nicht|keine|nichts)(?: \\S+){0,6}?(?: (?:sagen|erkennen|bestimmen|identifizieren|"
        "beantworten|helfen|feststellen|benennen|lage|nennen|geben|beurteilen))|"
        "(?:das )?weiss ich (?:leider )?nicht|ich weiss (?:es|das)? ?(?:leider )?nicht|keine "
        "ahnung|"
        "(?:es )?(?:lasst|lassen) sich(?: \\S+){0,4}? nicht (?:erkennen|bestimmen|sagen)|nicht "
        "erkennbar)"
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
        "(?:(?:je suis )?(?:vraiment )?desolee?|pardon|malheureusement|je regrette|en tant "
        "qu(?: \\S+){1,4}?|mais| )*"
        "(?:je (?:ne |n )?(?:peux|puis|sais|saurais|suis|parviens|arrive|reconnais)(?: "
        "\\S+){0,3}? pas"
        "(?: (?:\\S+ ){0,5}?(?:dire|identifier|reconnaitre|determiner|repondre|aider|savoir|"
        "capable|en mesure))?"
        "|je (?:ne |n )?(?:peux|puis|sais) pas|il (?:est|m est) (?:impossible|difficile) de|"
        "impossible (?:de|a) "
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
    there=pattern("(?:hay|veo|se ve|se ven|existe)(?: (?:uno|una|un|dos|tres|varios|varias|"
                  "algunos))*"),
    negators=among("no ningun ninguno ninguna ningunos sin ni tampoco nunca jamas nada nadie"),
    denying=pattern("en (?:lugar|vez) del?"),
    idioms=pattern("no (?:solo|solamente|unicamente)|sin (?:ninguna )?duda"),
    contrast=among("pero sino solo solamente unicamente aunque salvo excepto mientras"),
    joining=among("o u ni y"),
    absent=pattern("no (?:se (?:ve|ven|aprecia|aprecian|observa|observan|muestra|muestran|"
                   "encuentra|encuentran)|"
                   "esta(?:n)? (?:presentes?|visibles?|ahi|aqui|en la)|es visible|son visibles|"
                   "aparecen?|hay)|"
                   "esta(?:n)? ausentes?|falta(?:n)?"),
    hedges=pattern("quiza|quizas|tal vez|podria(?:n)?|puede ser|posible|posiblemente|acaso|si|"
                   "no (?:estoy )?segur[oa]|dificil de decir|o bien"),
    unable=pattern("(?:lo siento(?: mucho)?|disculpa(?:s|e)?|perdon|lamentablemente|"
                   "desafortunadamente|lo lamento|"
                   "como (?:una? )?(?:ia|inteligencia|modelo|asistente)(?: \\S+){0,4}?|pero| )*"
                   "(?:(?:yo )?no (?:puedo|se|soy capaz|logro|podria|me es posible|estoy (?:en "
                   "condiciones|segur[oa]|autorizad[oa]))"
                   "(?: (?:\\S+ ){0,4}?(?:decir|identificar|reconocer|determinar|responder|"
                   "ayudar|saber|que|quien|nombrar))?"
                   "|no (?:puedo|lo se|se)$|(?:es|resulta|me es) (?:imposible|dificil) (?:de "
                   ")?(?:decir|identificar|determinar|saber|reconocer)|"
                   "ni idea)"),
)  # fmt: skip
