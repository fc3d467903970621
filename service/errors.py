"""What the service itself refuses; `service.problems` gives each its HTTP status.

ServiceError
├── CollectionUnknown     no such collection is served
├── ItemUnknown           the collection has no such item; names the field, if a query has it
├── ModelUnknown          no such model is loaded
├── CannotProofread       a model without a proofreader
├── PictureMissing        an item's file is not where it was indexed
├── PictureUnreachable    an item's file cannot be read
├── CalibrationMissing    hits are to be judged by a probability that nothing is known of
├── DuplicatesUnknown     duplicates are to be collapsed that were not looked for
├── QueryInvalid          a query that no collection or model of ours can answer; names the field
├── RangeInvalid          a part of a file that it has not got
├── WritesOff             items cannot be written through this service
├── UrlRefused            a picture's address that is not fetched; names the field
├── UrlUnreachable        a picture's address that does not answer; names the field
├── HostUnknown           a request under a name that is none of ours
├── Exposed               others could reach a service that has no keys
├── TracingMissing        traces are asked for, and what sends them is not installed
├── KeyRefused            a key cannot be made, or revoked, so
├── KeyMissing            a request without a key, where one is needed
├── KeyUnknown            a request with a key that is none of ours
├── ScopeMissing          a key that may not ask for this
├── KeysUnreadable        nobody's key can be checked
├── AsksTooMuch           more in one request than any may hold, or than its key may ask for at once
├── OverRate              a key that asks too often; knows how long to wait
├── OverConcurrency       a key with too many requests under way
├── BodyTooLarge          more bytes than a request may have
├── BodyPacked            a body that would have to be unpacked
├── BodyTooSlow           a body that takes longer than a slow line needs
├── QueueFull             more work is waiting than will be done in time
├── DeadlineExceeded      the request took too long and was dropped
└── NotReady              models are still being loaded
    └── CollectionUnavailable   a collection that cannot be served; knows the reason, which is for operators
"""

import math

# What others than operators are told in place of a reason.
UNTOLD = "ask its operator: its log says why"


class ServiceError(Exception):
    """Base of every error this package raises on purpose."""


class CollectionUnknown(ServiceError):
    """No such collection."""


class ItemUnknown(ServiceError):
    """No such item.

    Attributes:
        field: of a query that names it, dotted.
    """

    def __init__(self, detail: str, field: str = "") -> None:
        super().__init__(detail)
        self.field = field


class ModelUnknown(ServiceError):
    """No such model."""


class CannotProofread(ServiceError):
    """The model has no proofreader."""


class PictureMissing(ServiceError):
    """An item's file is gone."""


class PictureUnreachable(ServiceError):
    """An item's file cannot be read."""


class CalibrationMissing(ServiceError):
    """Nothing says what scores of the model mean."""


class DuplicatesUnknown(ServiceError):
    """Nothing is known of a collection's duplicates."""


class QueryInvalid(ServiceError):
    """A query that cannot be answered.

    Attributes:
        field: the request's field at fault, dotted.
    """

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field


class RangeInvalid(ServiceError):
    """A part of a file that is not there."""


class WritesOff(ServiceError):
    """Items cannot be written through this service."""


class UrlRefused(ServiceError):
    """A picture's address that is not fetched.

    Attributes:
        field: the request's field that has it, dotted; told by whoever read the request.
    """

    field: str = ""


class UrlUnreachable(ServiceError):
    """A picture's address that does not answer.

    Attributes:
        field: as of `UrlRefused`.
    """

    field: str = ""


class HostUnknown(ServiceError):
    """A request under another name."""


class TracingMissing(ServiceError):
    """Traces are asked for, and what sends them is not installed."""


class Exposed(ServiceError):
    """The service would be open to others."""


class KeyRefused(ServiceError):
    """A key that cannot be made or revoked."""


class KeyMissing(ServiceError):
    """A request without a key."""


class KeyUnknown(ServiceError):
    """A request with a key of nobody."""


class ScopeMissing(ServiceError):
    """A key that is not for this.

    Attributes:
        scope: that it lacks.
    """

    def __init__(self, scope: str, detail: str) -> None:
        super().__init__(detail)
        self.scope = scope


class KeysUnreadable(ServiceError):
    """No key can be checked."""


class AsksTooMuch(ServiceError):
    """A request that holds too much, whenever it comes."""


class OverRate(ServiceError):
    """A key that asks too often.

    Attributes:
        wait_s: until its next request may come.
    """

    def __init__(self, detail: str, wait_s: float) -> None:
        super().__init__(detail)
        self.wait_s = wait_s


class OverConcurrency(ServiceError):
    """A key that asks for too much at a time."""


class BodyTooLarge(ServiceError):
    """A request body beyond the limit."""


class BodyPacked(ServiceError):
    """A request body in an encoding."""


class BodyTooSlow(ServiceError):
    """A request body that does not come to its end."""


class QueueFull(ServiceError):
    """More work is waiting than will be done in time.

    Attributes:
        wait_s: until what is waiting will have been done, as far as one can know.
    """

    def __init__(self, detail: str, wait_s: float = 1.0) -> None:
        self.wait_s = wait_s
        super().__init__(f"{detail}: send it again in {max(1, math.ceil(wait_s))} s")


class DeadlineExceeded(ServiceError):
    """The request's time is up."""


class NotReady(ServiceError):
    """Not able to answer yet."""


class CollectionUnavailable(NotReady):
    """A collection that is not served until somebody does something about it: to ask again soon is of no use.

    Attributes:
        name: its own.
        reason: why, for operators alone: it tells where things are.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"collection {name!r} cannot be served: {UNTOLD}")
        self.name = name
        self.reason = reason
