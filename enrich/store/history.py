"""The history of a version of a Lance dataset: whether the order of its rows is that of their writing."""

from __future__ import annotations

import lance
from lance import LanceOperation

# These leave every row where it is: compaction rewrites neighbouring fragments in order, and Merge and Project add and
# drop columns. A bare BaseOperation is one that Lance does not describe to Python, such as reserving fragment numbers.
HARMLESS = (
    LanceOperation.Append,
    LanceOperation.CreateIndex,
    LanceOperation.Merge,
    LanceOperation.Project,
    LanceOperation.Rewrite,
    LanceOperation.UpdateConfig,
)


def why_not_append_only(dataset: lance.LanceDataset) -> str | None:
    """What in the history since the last overwrite makes scan order differ from the order of writing; None if nothing.

    `get_transactions` ends silently where old versions were removed, so the versions are read one by one.
    """
    if any(fragment.num_deletions for fragment in dataset.get_fragments()):
        return "rows were deleted"
    version = dataset.version
    while version > 0:
        try:
            transaction = dataset.read_transaction(version)
        except (OSError, ValueError):
            transaction = None
        except TypeError:
            # Lance 14.0.2 fails to describe a Rewrite that moved an index, and nothing else.
            version -= 1
            continue
        if transaction is None:
            return f"its history before version {version + 1} was removed"
        operation = transaction.operation
        if isinstance(operation, LanceOperation.Overwrite):
            return None
        if isinstance(operation, LanceOperation.Restore):
            version = operation.version
        elif isinstance(operation, HARMLESS) or type(operation) is LanceOperation.BaseOperation:
            version -= 1
        else:
            return f"version {version} is the result of {type(operation).__name__}"
    return None
