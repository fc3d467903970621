"""The versions that a push is of are kept: a reader finds by them what was written since, and so does the next push."""

from index.collection import Collection
from index.milvus.engine import ENGINE_FILE, JOURNAL_FILE, read_record
from index.tags import tags_of, untag

_TAG = "pushed-"


def keep_pushed(collection: Collection) -> None:
    """Keep the versions that *collection* sees until `release_pushed` finds no record of them; again does no harm."""
    for dataset in (collection.items, collection.captions):
        tag = f"{_TAG}{dataset.version}"
        if tag not in tags_of(dataset):
            dataset.tags.create(tag, dataset.version)


def release_pushed(collection: Collection) -> None:
    """Let go of versions that neither `engine.json` nor `push.json` names; the caller holds the lease on pushes."""
    records = [read_record(collection.path, name) for name in (ENGINE_FILE, JOURNAL_FILE)]
    pushed = [each for record in records if record for each in (record.pushed, record.previous) if each]
    kept = {each.items_version for each in pushed}, {each.captions_version for each in pushed}
    for dataset, versions in zip((collection.items, collection.captions), kept, strict=True):
        for tag in tags_of(dataset):
            if tag.startswith(_TAG) and tag not in {f"{_TAG}{version}" for version in versions}:
                untag(dataset, tag)
