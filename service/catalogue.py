"""What is served at one moment, and how the next moment's is loaded.

A catalogue never changes: a request that took one sees it from end to end, whatever is published meanwhile.
"""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from index.collection import list_collections
from index.errors import CollectionError, MilvusUnreachable
from index.generations import served_folder
from index.gpu.device import gpus_for
from index.milvus.engine import Engine, engine_state
from index.publish import current
from index.searcher import Searcher
from index.text_model import TextModel, chosen
from models.bundle import Bundle, bundle_of, list_bundles
from models.errors import BundleError, BundleMissing, MatchingInvalid, ModelError
from models.manifest import read_manifest
from models.matching import MATCHING_NAME, Matching, read_matching
from models.ort import Runtime as OrtRuntime
from service.encoding.models import Model
from service.encoding.yielding import COMPUTING, giving_way
from service.operations.metrics import Metrics
from service.served import Lookups, Served
from service.settings import Settings

Made = TypeVar("Made")

_log = logging.getLogger("vilem.service")

# What failed to open is tried again after so many times what the try took: hashing a damaged index must not go on for ever.
_PATIENCE = 20
# A Milvus that restarts is waited for, and costs nothing but time.
_PATIENCE_UNREACHABLE = 4


@dataclass(frozen=True)
class Catalogue:
    """Collections by name, models by digest, and what cannot be served with its reason."""

    served: Mapping[str, Served] = field(default_factory=dict[str, Served])
    models: Mapping[str, Model] = field(default_factory=dict[str, Model])
    unavailable: Mapping[str, str] = field(default_factory=dict[str, str])

    def parts(self) -> "set[Lookups | Model | Engine]":
        """Everything that has threads or connections."""
        served = self.served.values()
        engines = [each.searcher.engine for each in served if each.searcher.engine is not None]
        return {*(each.lookups for each in served), *self.models.values(), *engines}

    def changed(self, name: str, change: Callable[[Served], Served]) -> "Catalogue":
        """With what *change* makes of one served collection."""
        return replace(self, served={**self.served, name: change(self.served[name])})


@dataclass(frozen=True)
class _Refusal:
    """Why a snapshot or a bundle was not opened, in which state it was, and when to try again."""

    state: object
    error: Exception
    again: float


class Loader:
    """Opens what was published; used by one thread at a time."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._gpus = gpus_for(settings.search_device)
        self._refusals: dict[str, _Refusal] = {}
        self._states: dict[str, tuple[Path, TextModel | None, bytes | None, int | None]] = {}

    def refresh(self, old: Catalogue) -> Catalogue:
        """The catalogue of now: what is unchanged is taken over, what is new is opened beside it."""
        root = self._settings.home / "collections"
        models = dict(old.models)
        served: dict[str, Served] = {}
        unavailable: dict[str, str] = {}
        for name in list_collections(root):
            try:
                served[name] = self._open(root, name, old.served.get(name), models)
            except (CollectionError, ModelError) as error:
                unavailable[name] = str(error)
            except Exception as error:  # noqa: BLE001 - see below
                # a job boundary: whatever is broken in one collection (Lance and Arrow have errors of their own), the
                # others are served
                unavailable[name] = _unexpected(error)
                if name not in old.unavailable:
                    _log.exception("%s cannot be opened", name)
            if name in unavailable and name in old.served:
                served[name] = old.served[name]
        wanted = {each.model.bundle.digest for each in served.values()}
        for name in self._settings.models:
            try:
                wanted.add(self._named_model(name, models))
            except (ModelError, OSError) as error:
                unavailable[f"model {name}"] = str(error)
        for name in unavailable.keys() - old.unavailable.keys():
            _log.warning("%s is not served: %s", name, unavailable[name])
        for name in self._states.keys() - served.keys():
            del self._states[name]
            self._metrics.forget(name)
        return Catalogue(served, {digest: models[digest] for digest in wanted}, unavailable)

    def _open(self, root: Path, name: str, old: Served | None, models: dict[str, Model]) -> Served:
        # of the generation that is served: its model changes with it
        folder = served_folder(root / name)
        state = current(folder), chosen(folder), engine_state(folder), _stamp(folder / MATCHING_NAME)
        if old is not None and self._states.get(name) == state and not old.stuck:
            return old
        searcher, model = self._patiently(name, state, lambda: self._open_new(root, name, models))
        self._states[name] = state
        _log.info("%s is served at snapshot %s by %s", name, searcher.manifest.id, searcher.text_model.bundle_name)
        matching = _matching(folder, model)
        return Served(searcher, model, Lookups(self._settings, self._metrics), self._settings.deadline_s, matching)

    def _open_new(self, root: Path, name: str, models: dict[str, Model]) -> tuple[Searcher, Model]:
        searcher = Searcher.open(
            root,
            name,
            contents=self._settings.verify,
            max_tail=self._settings.max_tail,
            milvus_token=self._settings.milvus_token.get_secret_value(),
            gpus=self._gpus,
        )
        try:
            return searcher, self._model_of(searcher.text_model, models)
        except BaseException:
            searcher.close()
            raise

    def _patiently(self, name: str, state: object, attempt: Callable[[], Made]) -> Made:
        """What *attempt* makes; while what failed is in the same *state*, its error is given again without a try."""
        refusal = self._refusals.get(name)
        if refusal and refusal.state == state and time.monotonic() < refusal.again:
            raise refusal.error.with_traceback(None)
        began = time.monotonic()
        try:
            made = attempt()
        except Exception as error:
            took = time.monotonic() - began
            patience = _PATIENCE_UNREACHABLE if isinstance(error, MilvusUnreachable) else _PATIENCE
            self._refusals[name] = _Refusal(state, error, began + patience * took)
            raise
        self._refusals.pop(name, None)
        return made

    def _model_of(self, wanted: TextModel, models: dict[str, Model]) -> Model:
        if wanted.bundle_digest in models:
            return models[wanted.bundle_digest]
        return self._load(bundle_of(wanted.bundle_digest, wanted.bundle_name, self._settings.home), models)

    def _named_model(self, name: str, models: dict[str, Model]) -> str:
        """The digest of the bundle of that name, loaded; of several the first in order of folders."""
        broken: str | None = None
        for folder in list_bundles(self._settings.home):
            try:
                manifest = read_manifest(folder)
            except BundleError as error:
                broken = str(error) if folder.name == name else broken
                continue
            if manifest.name == name:
                digest = manifest.digest()
                if digest not in models:
                    self._patiently(f"model {name}", digest, lambda: self._load(folder, models))  # noqa: B023
                return digest
        raise BundleMissing(broken or f"no bundle {name!r} in {self._settings.home}/bundles: copy it there")

    def _load(self, folder: Path, models: dict[str, Model]) -> Model:
        # the threads of ONNX Runtime are started here
        return giving_way(COMPUTING, lambda: self._opened(folder, models))

    def _opened(self, folder: Path, models: dict[str, Model]) -> Model:
        bundle = Bundle.open(
            folder,
            variant=self._settings.variant,
            runtime=OrtRuntime(
                threads=self._settings.threads, device=self._settings.device, lanes=self._settings.side_by_side
            ),
            verify=self._settings.verify,
        )
        models[bundle.digest] = Model(bundle, self._settings, self._metrics)
        return models[bundle.digest]


def _stamp(file: Path) -> int | None:
    """Changes whenever the file is written."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return None


def _matching(folder: Path, model: Model) -> Matching | None:
    """What the collection's own pairs say of its model's cosines, or else what others said."""
    for place in (folder, model.bundle.path):
        try:
            found = read_matching(place, model.bundle.digest)
        except MatchingInvalid as error:
            # no reason to serve nothing: hits come without probabilities
            _log.warning("%s", error)
            continue
        if found is not None:
            return found
    return None


def _unexpected(error: Exception) -> str:
    return f"it cannot be opened ({type(error).__name__}): see the log"
