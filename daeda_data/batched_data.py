"""Published days as batches: what `batches`, `torch` and `vocabulary` of a dataset take."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from daeda_data.published_data import PublishedData

if TYPE_CHECKING:
    from daeda_data.loader.batches import Batches
    from daeda_data.loader.choice import Width
    from daeda_data.loader.loader import Loader
    from daeda_data.loader.parts import Parts
    from daeda_data.loader.settings import Settings
    from daeda_data.loader.torch_dataset import TorchBatches
    from daeda_data.loader.vocabulary import Vocabulary


class BatchedData(PublishedData):
    """Published days, and the loader of a training loop over them."""

    def batches(
        self,
        batch_rows: int,
        shuffle_seed: int | None = None,
        *,
        columns: Sequence[str] | None = None,
        pad: Mapping[str, Width] | None = None,
        vocabulary: Vocabulary | None = None,
        epoch: int = 0,
        resume: Mapping[str, Any] | None = None,
        workers: tuple[int, int] = (0, 1),
        window_rows: int = 262_144,
        drop_last: bool = False,
        read_ahead: int = 2,
    ) -> Batches:
        """An iterator of batches of numpy arrays, each row once in an epoch.

            with data.batches(4096, shuffle_seed=7, epoch=epoch, pad={"seen": 64}) as batches:
                for batch in batches:
                    step(batch["price"], batch["seen"], batch.masks["seen"])

        Without `shuffle_seed` rows come in their order. With it, row groups come in a random order, another one in
        each `epoch`, and the rows of each window of `window_rows` rows of that as well; the order is the same for the
        same seed, whatever `batch_rows` is. `workers=(k, n)` gives worker k of n its share: all together have each row
        once, and none has two rows more than another one. `drop_last` leaves out what fills no batch, so that all
        workers give as many.

        `columns` are those of the dataset unless they are named. Texts need a `vocabulary`; `pad` makes lists of a
        column a matrix of a width; a longer list is an error, unless it keeps its first or last items:
        `pad={"seen": (64, "last")}`. `resume` is the `state()` of an iterator, or the `.state` of a batch: the epoch
        goes on behind it. `read_ahead` batches are made while one is used.

        Raises UsageError for arguments that fit nothing, all of them at once; InputError where `resume` is of other
        days, columns, seed, window, workers or vocabulary; ChangedMeanwhile, from `next` as well, where a part is not
        the file any more that it was.
        """
        from daeda_data.loader.settings import Settings

        settings = Settings(batch_rows, shuffle_seed, window_rows, drop_last, read_ahead)
        return self._loader(columns, pad, vocabulary, settings).open(epoch, workers, resume)

    def torch(
        self,
        batch_rows: int,
        shuffle_seed: int | None = None,
        *,
        columns: Sequence[str] | None = None,
        pad: Mapping[str, Width] | None = None,
        vocabulary: Vocabulary | None = None,
        resume: Sequence[Mapping[str, Any]] = (),
        rank: int | None = None,
        world: int | None = None,
        window_rows: int = 262_144,
        drop_last: bool = False,
        read_ahead: int = 2,
    ) -> TorchBatches:
        """The same as an `IterableDataset` of PyTorch, for a DataLoader with `batch_size=None`.

            dataset = data.torch(4096, shuffle_seed=7, pad={"seen": 64})
            for epoch in range(3):
                dataset.set_epoch(epoch)
                for batch in DataLoader(dataset, batch_size=None, num_workers=2):
                    step(batch["price"], batch["seen"], batch.masks["seen"])

        A batch has tensors where that of `batches` has arrays. Number and count of workers are those of the DataLoader
        in each of `world` ranks, which torch.distributed tells unless they are given. `resume` holds the newest
        `.state` of a batch from each worker. Needs the extra `torch`. Raises as `batches` does.
        """
        from daeda.process.extras import require
        from daeda_data.loader.settings import Settings

        require("PyTorch tensors")
        from daeda_data.loader.torch_dataset import TorchBatches
        from daeda_data.loader.torch_place import place_of

        settings = Settings(batch_rows, shuffle_seed, window_rows, drop_last, read_ahead)
        loader = self._loader(columns, pad, vocabulary, settings)
        return TorchBatches(loader, resume, place_of(rank, world))

    def vocabulary(
        self,
        path: str | os.PathLike[str],
        columns: Sequence[str | Sequence[str]],
        *,
        at_least: int = 1,
        at_most: int | None = None,
    ) -> Vocabulary:
        """The codes of texts, read from the file at `path`; made of these days and written there if there is none.

        A column is one of texts or of lists of them, or `column.field` of a sequence; those in a tuple share their
        words. Code 0 is no text (NULL, and padding), 1 a text that is not in the vocabulary; from 2 on come the words,
        the most frequent one first: the `at_most` most frequent ones, of those that are there `at_least` times.

        Raises InputError where the file is of other days, columns or limits; `Vocabulary.read(path)` of
        `daeda_data.loader.vocabulary` takes it as it is, for other days than those it was made of.
        """
        from daeda_data.loader.counting import vocabulary_at

        return vocabulary_at(path, self._parts_looked_at, columns, at_least, at_most)

    def _loader(
        self,
        columns: Sequence[str] | None,
        pad: Mapping[str, Width] | None,
        vocabulary: Vocabulary | None,
        settings: Settings,
    ) -> Loader:
        from daeda_data.loader.choice import Wanted
        from daeda_data.loader.loader import Loader

        vectors = frozenset(name for name, kind in self.kinds.items() if kind == "embedding")
        return Loader.of(
            self._parts_looked_at, Wanted(columns, {} if pad is None else pad, vocabulary, vectors), settings
        )

    @cached_property
    def _parts_looked_at(self) -> Parts:
        from daeda_data.loader.parts import look_at

        return look_at(self.parts(), self.columns)
