"""English word forms by rule: plural and singular, articles, and whether two words are forms of one."""

from functools import lru_cache

_IRREGULAR = {
    "man": "men", "woman": "women", "child": "children", "person": "people", "foot": "feet", "tooth": "teeth",
    "goose": "geese", "mouse": "mice", "leaf": "leaves", "knife": "knives", "shelf": "shelves", "wolf": "wolves",
    "calf": "calves", "half": "halves", "loaf": "loaves", "scarf": "scarves", "policeman": "policemen",
    "fireman": "firemen", "snowman": "snowmen", "businessman": "businessmen", "sheep": "sheep", "deer": "deer",
    "fish": "fish", "fisherman": "fishermen", "cowgirl": "cowgirls", "bus": "buses", "gas": "gases", "lens": "lenses",
}  # fmt: skip
_SINGULAR = {plural: singular for singular, plural in _IRREGULAR.items()}
_IRREGULAR_VERBS = {
    "ran": "run", "sat": "sit", "stood": "stand", "rode": "ride", "ridden": "ride", "held": "hold", "wore": "wear",
    "worn": "wear", "ate": "eat", "eaten": "eat", "threw": "throw", "thrown": "throw", "took": "take",
    "taken": "take", "made": "make", "caught": "catch", "lay": "lie", "lying": "lie", "laid": "lay",
    "flew": "fly", "flown": "fly", "swam": "swim", "drove": "drive", "driven": "drive", "slept": "sleep", "went": "go",
}  # fmt: skip
# end in s and are one thing, or have no singular of their own
_NO_PLURAL = ("ss", "us", "is", "ous")
_SOUNDS_LIKE_YOU = ("uni", "use", "usu", "uti", "eu", "one", "once", "ukr", "ura")
_SILENT_H = ("hour", "honest", "honor", "heir")


def article(following: str) -> str:
    """Say "a" or "an", by the sound that *following* most likely begins with."""
    word = following.lower()
    if word.startswith(_SILENT_H) or word.startswith(("8", "11", "18")):
        return "an"
    vowel = word[:1] in tuple("aeiou") and not word.startswith(_SOUNDS_LIKE_YOU)
    return "an" if vowel and not word.startswith(("union", "unit")) else "a"


@lru_cache(maxsize=65536)
def plural(noun: str) -> str:
    """The plural of a singular noun in lower case."""
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return noun[:-1] + "ies"
    return noun + "s"


@lru_cache(maxsize=65536)
def singular(noun: str) -> str:
    """The singular of a noun in lower case; a singular is returned as it is."""
    if noun in _SINGULAR:
        return _SINGULAR[noun]
    if not noun.endswith("s") or noun.endswith(_NO_PLURAL) or len(noun) < 4:
        return noun
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith(("sses", "xes", "zes", "ches", "shes")):
        return noun[:-2]
    return noun[:-1]


def is_plural(noun: str) -> bool:
    """Whether it looks like a plural; words of one form for both count as singular."""
    return singular(noun) != noun


def same_word(first: str, second: str) -> bool:
    """Whether two words in lower case are forms of one: run, runs, running; dog, dogs, dog's; tall, taller."""
    return not _stems(first).isdisjoint(_stems(second))


@lru_cache(maxsize=65536)
def _stems(word: str) -> frozenset[str]:
    """What a word may come from; forms of one word share at least one of these."""
    word = word.removesuffix("'s").removesuffix("’s").replace("-", "")
    found = {word, singular(word), _IRREGULAR_VERBS.get(word, word)}
    for suffix in ("ing", "ed", "er", "est", "es", "s", "d", "ly", "y", "n", "en"):
        stem = word.removesuffix(suffix)
        if stem != word and len(stem) >= 3:
            found |= {stem, stem + "e"}
            if len(stem) > 3 and stem[-1] == stem[-2]:
                found.add(stem[:-1])
            if stem.endswith("i"):
                found.add(stem[:-1] + "y")
    return frozenset(found)
