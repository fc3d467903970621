"""A collection with known faults."""

from pathlib import Path

from index.embed import embed
from index.publish import publish
from index.searcher import Searcher
from index.sources import open_source
from models.bundle import BUILT_IN, Bundle
from models.scenes.corpus import generate
from tests.index.support import collection_for, write_table
from tests.support.images import encoded

EXCHANGED = ("03", "17", "30")
ALIEN = "alien"
NASTY = "<script>alert(1)</script>"


def faulty(root: Path) -> Searcher:
    """Sixty scenes and a picture without captions; the captions of three are exchanged, two have one that looks like HTML."""
    from PIL import Image

    bundle = Bundle.open(BUILT_IN / "scenes-s")
    source = root / "source"
    source.mkdir(parents=True)
    scenes = list(generate("test", 60, 5))
    captions = [list(scene.captions) for scene in scenes]
    places = [int(each) for each in EXCHANGED]
    for place, other in zip(places, places[1:] + places[:1], strict=True):
        captions[place] = list(scenes[other].captions)
    captions[40][0] = captions[41][0] = NASTY
    rows = []
    for number, scene in enumerate(scenes):
        (source / f"{number:02d}.png").write_bytes(scene.png())
        rows.append({"id": f"{number:02d}", "path": f"{number:02d}.png", "captions": captions[number]})
    (source / "alien.png").write_bytes(encoded(Image.effect_noise((128, 128), 120).convert("RGB")))
    rows.append({"id": ALIEN, "path": "alien.png"})
    collection = collection_for(bundle, root / "collections", "scenes")
    with embed(collection, open_source(str(write_table(source / "table.jsonl", rows))), bundle) as job:
        list(job)
    publish(collection.latest())
    return Searcher.open(root / "collections", "scenes")
