"""Attention rows, copied out of llama.cpp while it computes them.

llama.cpp asks about every tensor of a pass, and shows those that are wanted once they are there.
``kq_soft_max-<layer>`` is the softmax over the whole causal row, with everything a model does to
it: scale, softcap, window, sinks. Its shape, in the order of numpy, is [streams, H, T, keys]; keys
stand where their positions are. Copying changes no bit of the computation.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from alignatt4llm.translators.llamacpp.binding import Tensor
from alignatt4llm.translators.llamacpp.feed import Feed

_NAME = b"kq_soft_max-"
_FLOAT = 4
"""Bytes of a number."""


class Watch:
    """The callback that is asked about every tensor.

    Parameters
    ----------
    call
        llama.cpp's functions.

    Attributes
    ----------
    layers
        Layers that have shown rows so far.
    problem
        What went wrong in the callback, out of which nothing can be raised.
    """

    def __init__(self, call: Any) -> None:
        self._call = call
        self._name: Callable[[int], bytes] = call.ggml_get_name
        self._feeds: Sequence[Feed] = ()
        self._count = 0
        self._seen: dict[int, int] = {}
        self._every = False
        self.layers: set[int] = set()
        self.problem: BaseException | None = None

    def begin(self, feeds: Sequence[Feed], count: int, every: bool = False) -> None:
        """Get ready for a pass over the next ``count`` tokens of each feed.

        Feeds are in the order of their sequences. With ``every``, all layers are watched.
        """
        self._feeds, self._count, self._every, self.problem = feeds, count, every, None
        showing = [feed.stream.heads for feed in feeds if feed.shows(count)]
        self._seen = {layer: 0 for heads in showing for layer, _ in heads}

    def __call__(self, tensor: int, ask: bool, _data: Any) -> bool:
        """Say whether a tensor is wanted, or take it; stop the pass when that fails."""
        try:
            if ask:  # hundreds of times a pass
                return (bool(self._seen) or self._every) and self._wants(self._name(tensor))
            self._take(tensor, int(self._name(tensor)[len(_NAME) :]))
        except BaseException as problem:
            self.problem = problem
            return False
        return True

    def _wants(self, name: bytes) -> bool:
        if not name.startswith(_NAME) or not (layer := name[len(_NAME) :]).isdigit():
            return False
        return self._every or int(layer) in self._seen

    def _take(self, address: int, layer: int) -> None:
        """Copy the rows of a layer; a graph may have only some of the streams, in their order."""
        self.layers.add(layer)
        tensor = Tensor.from_address(address)
        begin = self._seen.get(layer, 0)
        self._seen[layer] = begin + tensor.ne[3]
        for stream, feed in enumerate(self._feeds[begin : begin + tensor.ne[3]]):
            for place, (other, head) in enumerate(feed.stream.heads):
                if other == layer and feed.shows(self._count):
                    start = address, stream * tensor.nb[3] + head * tensor.nb[2]
                    self._copy(*start, tensor, feed, place)

    def _copy(self, address: int, offset: int, tensor: Tensor, feed: Feed, place: int) -> None:
        """Copy the rows of one head, the source columns only."""
        assert feed.columns is not None
        held = len(feed.slot.ids)
        first = max(0, feed.first - held)  # of the tokens of this pass
        low, high = int(feed.columns.min()), min(int(feed.columns.max()) + 1, tensor.ne[0])
        stride, count = tensor.nb[1], self._count - first
        size = (count - 1) * stride + (high - low) * _FLOAT
        copied = np.empty(-(-size // _FLOAT), np.float32)
        begin = offset + first * stride + low * _FLOAT
        self._call.ggml_backend_tensor_get(address, copied.ctypes.data, begin, size)
        rows = as_strided(copied, (count, high - low), (stride, _FLOAT))
        seen = feed.columns < high
        feed.take(held + first - feed.first, place, seen, rows[:, feed.columns[seen] - low])
