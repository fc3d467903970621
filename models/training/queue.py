"""A momentum queue: the embeddings of earlier batches, as more negatives than a batch can hold.

He et al., "Momentum Contrast", CVPR 2020, section 3.1; for images and texts as in ALBEF (Li et al. 2021, section 3.2). The
embeddings should come from a slow average of the towers (`training.ema`), or they would be stale when they are used.
"""

import torch

from models.training.losses.contrastive import Keys


class Queue:
    """The last pairs that were pushed, at most *size* of them; it begins empty, not with random vectors.

    Args:
        size: q, most pairs kept.
        dim: d of the embeddings.
        device: where they are kept.

    Attributes:
        size: as given.
    """

    def __init__(self, size: int, dim: int, device: torch.device | str = "cpu") -> None:
        self.size = size
        self._images = torch.zeros(size, dim, device=device)
        self._texts = torch.zeros(size, dim, device=device)
        self._rows = torch.zeros(size, dtype=torch.int64, device=device)
        # how many were ever pushed: the ring's next place is what is left of it over size
        self._pushed = 0

    def __len__(self) -> int:
        """How many pairs it holds."""
        return min(self._pushed, self.size)

    def keys(self, rows: torch.Tensor) -> Keys:
        """What it holds, oldest first, for a batch of the pictures *rows* [b]; copies, so that a later push is harmless."""
        places = torch.arange(self._pushed - len(self), self._pushed, device=self._rows.device) % self.size
        other = rows.to(self._rows)[:, None] != self._rows[places]
        return Keys(self._images[places], self._texts[places], other)

    @torch.no_grad()
    def push(self, images: torch.Tensor, texts: torch.Tensor, rows: torch.Tensor) -> None:
        """Add a batch, which pushes out the oldest; of one larger than the queue its last pairs are kept.

        Args:
            images: [b, d] unit vectors; only their values are kept.
            texts: [b, d] likewise.
            rows: [b] which pictures of the corpus they are, so that none becomes its own negative.
        """
        self._pushed += len(images)
        kept = min(len(images), self.size)
        places = torch.arange(self._pushed - kept, self._pushed, device=self._rows.device) % self.size
        for ring, batch in ((self._images, images), (self._texts, texts), (self._rows, rows)):
            ring[places] = batch[len(batch) - kept :].to(ring)

    def state(self) -> dict[str, torch.Tensor | int]:
        """For `load_state`; copies, which stay as they are."""
        rings = {"images": self._images, "texts": self._texts, "rows": self._rows}
        return {"pushed": self._pushed, **{name: ring.clone() for name, ring in rings.items()}}

    def load_state(self, state: dict) -> None:
        """Go on from `state`.

        Raises:
            ValueError: it is of a queue of other size.
        """
        rings = {"images": self._images, "texts": self._texts, "rows": self._rows}
        for name, ring in rings.items():
            if state[name].shape != ring.shape:
                raise ValueError(
                    f"the kept queue's {name} are {tuple(state[name].shape)}, this one's {tuple(ring.shape)}: "
                    "go on with the recipe that it was made with"
                )
        for name, ring in rings.items():
            ring.copy_(state[name])
        self._pushed = int(state["pushed"])
