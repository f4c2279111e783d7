"""Look-up and pooling of vectors, one number at a time."""

import math

import numpy as np


def load(rows):
    """The store of (id, vector) rows: a dict from id to a list of float16, or None; the last row of an id wins."""
    store = {}
    for identifier, vector in rows:
        if identifier is not None:
            store[identifier] = None if vector is None else [to_half(identifier, value) for value in vector]
    return store


def to_half(identifier, value):
    """A number as float16."""
    with np.errstate(over="ignore"):
        half = np.float16(value)
    if np.isinf(half) and not math.isinf(value):
        raise OverflowError(f"the vector of id {identifier} does not fit float16: {value}")
    return half


def lookup(identifier, store, normalize=None):
    """The vector of an id; None if there is none."""
    vector = None if identifier is None else store.get(identifier)
    return None if vector is None else finished(vector, normalize)


def avg_pool(identifiers, store, normalize=None):
    """The mean of the vectors that the store has, with multiplicity; None if it has none."""
    if identifiers is None:
        return None
    found = [store[identifier] for identifier in identifiers if store.get(identifier) is not None]
    if not found:
        return None
    means = []
    with np.errstate(invalid="ignore"):  # inf - inf is NaN
        for place in range(len(found[0])):
            sum_so_far = np.float32(0)
            for vector in found:
                sum_so_far = sum_so_far + np.float32(vector[place])
            means.append(sum_so_far / np.float32(len(found)))
    return finished(means, normalize)


def finished(vector, normalize):
    """The result as float16, of length 1 if so wanted; a zero vector stays zero."""
    assert normalize in (None, "l2")
    if normalize == "l2":
        norm = np.float64(math.sqrt(math.fsum(float(value) * float(value) for value in vector)))
        if norm != 0:
            with np.errstate(invalid="ignore"):  # inf / inf is NaN
                vector = [np.float64(value) / norm for value in vector]
    return [np.float16(value) for value in vector]
