"""Closed lists of English: words whose part of speech or meaning is not learnt but known."""

from typing import Literal

AttributeClass = Literal["colour", "size", "material", "pattern", "age", "state"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


DETERMINERS = _words(
    "a an the this that these those his her its their my your our some any each every another several many few both "
    "all no one's other"
)
NEGATIONS = _words("no not without never none n't neither nor nobody nothing isn't aren't")
AUXILIARIES = _words(
    "is are was were be been being am has have had having do does did doing can could will would shall should may "
    "might must get gets getting seems appears it's he's she's there's"
)
CONJUNCTIONS = _words("and or but nor while as because if that which who whom whose when where than so though although")
PRONOUNS = _words(
    "he she it they him them himself herself itself themselves we us i you me who someone somebody something anyone "
    "anything everyone everything nobody nothing one ones others what there here each"
)
ADVERBS = _words(
    "very too also just not only still almost even together apart away back forward backwards alone along again "
    "already soon now then once twice away quite rather really well much more most less least up down off out "
    "outdoors indoors outside inside exactly nearby else ahead around"
)
GRAMMAR = _words(
    "of to for from by with at as into onto per via during about until since like etc next before after whilst how multiple"
)

# Said of where things are to each other; "to", "of" and "for" are grammar.
PLACE_WORDS = _words(
    "on in under above below over beneath underneath behind beside between inside outside near atop among across "
    "through around against toward towards along past left right top bottom up down within alongside higher lower "
    "underwater off onto into"
)
# these say a side after an article or before one of the others ("at the top left"), and are something else elsewhere
SIDES = _words("left right top bottom")

STOP_WORDS = (
    (DETERMINERS | NEGATIONS | AUXILIARIES | CONJUNCTIONS | PRONOUNS | GRAMMAR | ADVERBS) - PLACE_WORDS - {"one"}
)

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

ATTRIBUTES: dict[AttributeClass, frozenset[str]] = {
    "colour": _words(
        "red orange yellow green cyan blue purple pink white black brown gray grey cream navy mint tan beige teal "
        "turquoise maroon violet gold golden silver"
    ),
    "size": _words("small medium large big little huge tiny giant tall short long"),
    "material": _words(
        "wooden metal plastic glass stone brick concrete leather paper cardboard wool cotton silk steel marble ceramic "
        "rubber iron bronze"
    ),
    "pattern": _words("solid striped dotted outlined plaid checkered checked floral flowered spotted camouflage"),
    "age": _words("young old elderly younger older teenage middle-aged"),
    "state": _words(
        "open closed wet dry empty full dirty clean hot cold dark bright new broken rusty muddy snowy sunny"
    ),
}
ATTRIBUTE_CLASS: dict[str, AttributeClass] = {word: name for name, words in ATTRIBUTES.items() for word in words}

# A flip that makes the sentence false; the same number of words wherever English allows it. Longest first.
FLIPS: tuple[tuple[str, str], ...] = (
    ("in front of", "behind"),
    ("on top of", "underneath"),
    ("at the top", "at the bottom"),
    ("at the bottom", "at the top"),
    ("away from", "towards"),
    ("far from", "near"),
    ("out of", "into"),
    ("higher than", "lower than"),
    ("lower than", "higher than"),
    ("left of", "right of"),
    ("right of", "left of"),
    ("the left", "the right"),
    ("the right", "the left"),
    ("top left", "top right"),
    ("top right", "top left"),
    ("bottom left", "bottom right"),
    ("bottom right", "bottom left"),
    ("above", "below"),
    ("below", "above"),
    ("on", "under"),
    ("under", "on"),
    ("underneath", "on"),
    ("beneath", "on"),
    ("atop", "under"),
    ("over", "under"),
    ("behind", "in front of"),
    ("inside", "outside"),
    ("outside", "inside"),
    ("into", "out of"),
    ("up", "down"),
    ("down", "up"),
    ("onto", "off"),
    ("towards", "away from"),
    ("toward", "away from"),
    ("upside", "downside"),
)
# "on the left", "on a sunny day", "on her phone": what follows is no thing that something could be under
NOT_UNDER = _words(
    "left right top bottom side sides background day days night morning evening front back phone cellphone television tv "
    "beach street field grass snow road sidewalk lawn sand water ground path trail track court floor ice ocean hill mountain "
    "sidewalks pavement shore coast dirt stage team display vacation way line edge one it each either their his her its"
)
# "up" and "down" that belong to the verb: "dressed up", "picking up", "lying down"
PARTICLE_VERBS = _words(
    "dressed dress dresses dressing pick picks picking picked set sets setting lined line lines holding holds hold make "
    "makes made lit warm warms warming looking looks close sitting sits sit lying lies lay lays laying bundled pulled "
    "covered hung hanging grown broken break stand stands standing get gets getting getting end face upside come mixed"
)
# nouns that say where or how much: another one in their place is no other thing to see
EMPTY_NOUNS = _words(
    "front background middle center centre side sides edge end back group groups bunch number series lot lots couple "
    "pair kind type piece pieces row way day time distance foreground part corner object objects picture photo image "
    "scene view something air line top bottom left right"
)
# the sentence stays true when what they join changes sides
SYMMETRIC = _words("and or with near beside by alongside next to & together while are is both then between against")

# Lists of words that may be true of the same thing. After a colon stand kinds of what is before it: a player may be a
# man, and a dog is an animal, but a player is no dancer and a dog no horse.
_RELATED = (
    "person people human individual someone man guy male gentleman fellow men guys males gentlemen adult adults",
    "person people human individual someone woman lady female women ladies females adult adults",
    "person people child kid toddler baby infant boy youth youngster teen teenager children kids boys",
    "person people child kid toddler baby infant girl youth youngster teen teenager children kids girls",
    "person people man woman boy girl men women boys girls adult child kid: player worker rider skier surfer skateboarder snowboarder biker cyclist runner",
    "person people man woman boy girl men women boys girls adult child kid: climber dancer singer musician performer athlete swimmer pedestrian hiker vendor fisherman artist bride groom",
    "person people man woman men women boys girls: officer policeman batter pitcher skater driver players workers riders surfers skiers dancers musicians",
    "player athlete batter pitcher catcher goalie sportsman", "young little small younger", "old elderly older aged",
    "crowd group people audience bunch gathering spectators", "couple pair two", "both two", "several many some few group",
    "dog puppy canine pup hound pet", "dogs puppies pets", "cat kitten kitty pet", "bird duck goose", "animal animals: bird birds dog dogs cat cats horse horses cow cows sheep goat elephant zebra giraffe bear monkey pet",
    "horse pony", "cow bull cattle calf", "sheep lamb goat",
    "big large huge giant enormous massive tall long", "small little tiny short mini", "gray grey silver dark", "tan beige brown cream golden blond",
    "gold golden yellow blond", "purple violet pink maroon", "red maroon orange pink", "blue navy teal turquoise cyan", "green teal mint",
    "white cream beige", "black dark navy", "blond blonde yellow", "colorful bright multicolored",
    "street road sidewalk pavement path lane highway city", "path trail road dirt", "bike bicycle cycle", "bikes bicycles", "motorcycle motorbike bike dirt-bike",
    "car vehicle automobile taxi cab", "truck vehicle van", "bus van", "train railway subway trolley tram",
    "boat ship vessel canoe kayak raft", "plane airplane aircraft jet", "couch sofa loveseat", "seat: chair bench stool couch", "table desk counter",
    "cup mug glass", "plate dish bowl", "food meal dish lunch dinner dessert: pizza cake sandwich fruit vegetables meat soup salad bread", "drink drinks beverage: beer water wine coffee tea soda juice",
    "jacket coat sweater sweatshirt hoodie top", "shirt t-shirt top blouse tee tank jersey", "shirts t-shirts tops jerseys", "pants trousers jeans slacks",
    "hat cap helmet beanie", "glasses sunglasses goggles eyeglasses", "outfit clothes clothing costume attire: dress uniform suit shirt jacket robe", "shoes sneakers boots",
    "picture photo photograph image scene view", "phone cellphone telephone mobile", "computer laptop pc screen", "tv television screen monitor",
    "ocean sea water waves surf", "lake pond water river", "river stream creek water", "pool water", "beach shore sand seaside coast shoreline",
    "hill mountain mountainside slope cliff", "field grass lawn meadow yard park pasture grassy", "forest woods trees jungle", "tree plant bush branch",
    "rock rocks stone boulder cliff", "snow ice snowy", "wall building fence", "building structure: house home church tower store", "store shop market mall", "room: kitchen bedroom bathroom",
    "picture painting drawing", "ball: baseball football basketball", "sport game match: baseball football basketball soccer tennis volleyball hockey rugby", "bag purse backpack handbag luggage suitcase",
    "stand standing stands pose posing wait waiting look", "sit sitting sits seated sat rest resting", "lie lying lay laying lays sleep sleeping resting",
    "run running runs ran jog jogging race racing sprint", "walk walking walks strolling stroll stepping crossing go going", "jump jumping jumps leap leaping flying midair air",
    "hold holding holds carry carrying carries grab using", "look looking looks watch watching watches stare staring gazing facing see", "ride riding rides biking cycling driving",
    "talk talking talks speaking conversing chatting conversation", "eat eating eats dining", "smile smiling smiles laughing laugh happy", "wear wearing wears dressed clad in",
    "play playing plays", "perform performing performs play playing", "throw throwing throws toss tossing pitch pitching", "hit hitting swing swinging swings",
    "prepare preparing cook cooking making", "under underneath beneath below", "on atop upon onto over", "above over atop", "near beside by alongside next at", "in inside into within at on",
    "outside outdoors out off", "across through over along around", "toward towards to at", "behind past", "front before", "circle ring round", "square rectangle box",
)  # fmt: skip


def _groups(line: str) -> list[frozenset[str]]:
    wide, _, kinds = line.rpartition(":")
    return [frozenset((name, kind)) for name in wide.split() for kind in kinds.split()] if wide else [_words(kinds)]


SYNONYMS: tuple[frozenset[str], ...] = tuple(group for line in _RELATED for group in _groups(line))
