import pyarrow as pa
import pyarrow.compute as pc


def words(title: pa.Array) -> pa.Array:
    """The number of words, NULL for no title."""
    return pc.list_value_length(pc.utf8_split_whitespace(title))


def share_of_word(title: pa.Array, seen: pa.Array) -> pa.Array:
    """Of the titles that were seen, the share that begins with the first word of this one."""
    return pa.array([_share(*row) for row in zip(title.to_pylist(), seen.to_pylist(), strict=True)], pa.float64())


def _share(title: str | None, seen: list[str]) -> float | None:
    if title is None or not seen:
        return None
    word = title.split()[0]
    return sum(one.split()[0] == word for one in seen) / len(seen)
