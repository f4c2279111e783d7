"""Published days as training data: `dataset` finds them, readers of every library open them in the order of their rows.

    import daeda_data

    data = daeda_data.dataset("output", "ranking")
    data.days, data.schema, data.polars().head()

Nothing heavy is imported with the package: pyarrow when days are looked at, any other library when it is asked for.
"""

from daeda_data.opening import dataset

__all__ = ["dataset"]
