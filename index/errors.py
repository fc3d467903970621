"""What can be wrong with a collection, with what fills it, and with what is published from it.

IndexError is Python's own, so the tree begins with CollectionError:

CollectionError
├── CollectionNameInvalid    a name that cannot be a folder and a part of a URL
├── CollectionMissing        no such collection
├── CollectionExists         create() found one of that name
├── CollectionInvalid        its files break the schema
├── CollectionTooNew         written by a newer ViLEM than this one
├── BundleMismatch           vectors of another model than the collection's
├── ItemInvalid              an id, caption or metadata that breaks the rules; the job puts it into the rejects table
├── SourceError              what should be read into a collection is not there, or not of a known kind
│   └── UriUnreadable        one item's bytes cannot be fetched
│       └── UriMissing       because there is no such file
├── VideoSupportMissing      a video, and nothing is installed that reads it; the job puts it into the rejects table
├── FieldInvalid             a declaration of a typed field that cannot be, or a use that its type does not allow
├── FieldUnknown             no such typed field
├── FilterInvalid            a filter that breaks the grammar, or asks a field for what it has not
├── DuplicatesInvalid        groups of duplicates that were kept are damaged, or of a newer ViLEM
├── NothingToMeasure         a threshold to measure, and no picture that could be read
├── PlanImpossible           no index of a collection fits the memory that it is given
├── NothingToMeasure         a threshold to measure, and no picture that could be read
├── GpuMissing               a GPU was asked for, and there is none
├── GpuFailed                a GPU was asked for, and cannot do what it should
├── PatchesMissing           hits to re-rank, of which nothing is stored that a proofreader could read
├── LeaseHeld                another job writes this collection
├── GenerationChanged        another model has taken the place of the one that was written for
├── GenerationMissing        there is no such generation to go back to
├── ReindexUnfinished        a change to another model was begun and not finished
├── ReindexRefused           a change of models that must not be made: too much would be lost
├── TextColumnInvalid        no column of texts, to be searched by words
├── TextIndexMissing         a column that cannot be searched by words yet
├── FusionInvalid            rankings that cannot be fused with those weights
├── TailFull                 more was written since the snapshot than is searched without an index
├── StorageFull              no space left; what was committed before is safe
├── EngineError              a cluster that is to embed does not do so
│   ├── RayMissing           Ray is not installed
│   ├── ClusterUnreachable   nothing answers at the address
│   ├── ClusterTooSmall      it has no room for so many workers
│   └── WorkersLost          it cannot bring the job to its end
├── MilvusError              Milvus did not do what it was asked for
│   ├── MilvusNotInstalled   the client, or milvus-lite, is not there
│   ├── MilvusUnreachable    nothing answers at the address, or not in time
│   ├── MilvusDenied         the server wants another token
│   └── MilvusMismatch       what is there is not what was pushed
└── SnapshotError            a published index is not usable
    ├── SnapshotMissing      nothing was published, or not this one
    ├── SnapshotAltered      a file is missing, truncated or changed since it was published
    ├── SnapshotTooNew       written by a newer ViLEM than this one
    ├── SnapshotInvalid      its manifest does not say what it must say
    └── SelfCheckFailed      a new snapshot did not pass its own test; the old one goes on serving
"""

from typing import Literal

ItemFault = Literal["bad-row", "bad-id", "bad-caption", "bad-metadata"]


class CollectionError(Exception):
    """Base of every error this package raises on purpose."""


class CollectionNameInvalid(CollectionError):
    """A name that may not name a collection."""


class CollectionMissing(CollectionError):
    """There is no collection of that name."""


class CollectionExists(CollectionError):
    """There is a collection of that name already."""


class CollectionInvalid(CollectionError):
    """A collection's files break the schema."""


class CollectionTooNew(CollectionError):
    """A collection's schema is newer than this program knows."""


class BundleMismatch(CollectionError):
    """A bundle is not the one that embedded the collection."""


class ItemInvalid(CollectionError):
    """An item breaks a rule of the schema.

    Attributes:
        reason: for the rejects table.
    """

    def __init__(self, reason: ItemFault, detail: str) -> None:
        super().__init__(detail)
        self.reason: ItemFault = reason


class SourceError(CollectionError):
    """A source of items cannot be read."""


class UriUnreadable(SourceError):
    """The bytes behind a URI cannot be fetched."""


class UriMissing(UriUnreadable):
    """There is no file behind a URI."""


class VideoSupportMissing(CollectionError):
    """What reads videos is not installed."""


class FieldInvalid(CollectionError):
    """A typed field cannot be declared or used so.

    Attributes:
        path: the place in a request that asks for it; empty where there is no request.
    """

    def __init__(self, detail: str, path: str = "") -> None:
        super().__init__(f"{path}: {detail}" if path else detail)
        self.path = path


class FieldUnknown(CollectionError):
    """There is no typed field of that name.

    Attributes:
        path: the place in a request that names it; empty where there is no request.
    """

    def __init__(self, detail: str, path: str = "") -> None:
        super().__init__(f"{path}: {detail}" if path else detail)
        self.path = path


class FilterInvalid(CollectionError):
    """A filter breaks the grammar.

    Attributes:
        path: the place at fault, such as `filter.and[1].value`.
    """

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path = path


class DuplicatesInvalid(CollectionError):
    """The file with a collection's groups of duplicates does not say what it must say."""


class GpuMissing(CollectionError):
    """There is no GPU that FAISS could use."""


class GpuFailed(CollectionError):
    """A GPU's memory is full, or it cannot do what was asked."""


class PlanImpossible(CollectionError):
    """No index fits what may be spent on it."""


class NothingToMeasure(CollectionError):
    """None of a collection's pictures can be read."""


class PatchesMissing(CollectionError):
    """Nothing is stored of items that a proofreader could read."""


class LeaseHeld(CollectionError):
    """Another job holds the collection."""


class GenerationChanged(CollectionError):
    """Another generation of a collection, of another model, is served by now."""


class GenerationMissing(CollectionError):
    """There is no such generation of a collection."""


class ReindexUnfinished(CollectionError):
    """A change to another model was begun and not finished."""


class ReindexRefused(CollectionError):
    """A change of models that must not be made."""


class TailFull(CollectionError):
    """Too much was written since the last snapshot."""


class StorageFull(CollectionError):
    """The disk under a collection is full."""


class TextColumnInvalid(CollectionError):
    """A column holds no texts."""


class TextIndexMissing(CollectionError):
    """A column has no full-text index."""


class FusionInvalid(CollectionError):
    """Rankings cannot be fused so."""


class MilvusError(CollectionError):
    """Milvus did not do what it was asked for."""


class MilvusNotInstalled(MilvusError):
    """What speaks to Milvus is not installed."""


class MilvusUnreachable(MilvusError):
    """No Milvus answers at the address."""


class MilvusDenied(MilvusError):
    """Milvus does not let us in."""


class MilvusMismatch(MilvusError):
    """What Milvus holds is not what was pushed to it."""


class EngineError(CollectionError):
    """A cluster that is to embed does not do so."""


class RayMissing(EngineError):
    """Ray is not installed."""


class ClusterUnreachable(EngineError):
    """No cluster answers at the address."""


class ClusterTooSmall(EngineError):
    """A cluster has no room for the workers that are wanted."""


class WorkersLost(EngineError):
    """A cluster cannot bring a job to its end."""


class SnapshotError(CollectionError):
    """A published index cannot be used."""


class SnapshotMissing(SnapshotError):
    """There is no such snapshot."""


class SnapshotAltered(SnapshotError):
    """A snapshot's files are not the files that were published."""


class SnapshotTooNew(SnapshotError):
    """A snapshot's schema is newer than this program knows."""


class SnapshotInvalid(SnapshotError):
    """A snapshot's manifest breaks the schema."""


class SelfCheckFailed(SnapshotError):
    """A snapshot that was just built does not find what it should."""
