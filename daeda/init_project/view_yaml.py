"""A view as commented YAML: what was seen stands above each key, and beside it what else might stand there."""

from __future__ import annotations

from daeda.errors import counted, shortened
from daeda.init_project.data import ViewData, command_of, is_plain
from daeda.init_project.proposal import View
from daeda.init_project.yaml_text import comment, flow, one_line, scalar

_MOST_OTHERS = 4
_HEADS = {
    "events": "The events: each row becomes a row of the training set, and windows look back over them.",
    "look-up": "Looked up: of each event the newest row before it, by its key.",
    "static": "Looked up by its key, for all time: it has no time, so that every event sees what the file says today.",
}


def view_yaml(view: View, data: ViewData) -> str:
    """The file of a view."""
    lines = comment(f"{_HEADS[view.role]} Proposed by `daeda init` from {view.table.shown}.")
    if data.aside:
        were = "was" if data.aside == 1 else "were"
        lines += comment(f"{counted(data.aside, 'row')} did not fit these types, or had no time, and {were} left out.")
    lines += [f"name: {scalar(view.name)}"]
    lines += _entity(view)
    lines += ["source:", *_path(view, data), *_time(view), *_known(view), *_gaps(view, data)]
    if view.role == "look-up":
        lines += ["# ttl: 28d   older rows would not count; without it, any age does"]
    mapping = {one.source: one.name for one in view.fields if one.source and one.source != one.name}
    if mapping:
        lines += ["# Names in the files that differ: from there, to here.", "field_mapping:"]
        lines += [f"  {scalar(source)}: {scalar(name)}" for source, name in mapping.items()]
    lines += ["fields:"]
    for one in view.fields:
        entry = f"  - {flow({'name': scalar(one.name), 'dtype': scalar(one.dtype)})}"
        lines += [f"{entry}   # {one_line(one.note)}" if one.note else entry]
    if view.left_out:
        lines += comment(f"Left out, for a view has no such type, or no name for it: {shortened(view.left_out, 20)}.")
    if data.unseen:
        lines += comment(
            f"Left out, for they come up only behind the rows that were looked at: {shortened(data.unseen, 20)}."
        )
    return "\n".join(lines) + "\n"


def entity_yaml(entity: str, key: str) -> str:
    """An entity with its key, where that is not its name and `_id`.

    >>> entity_yaml("user", "user_id"), entity_yaml("tail", "tailnum")
    ('user', '{tail: tailnum}')
    """
    return scalar(entity) if key == f"{entity}_id" else flow({scalar(entity): scalar(key)})


def _entity(view: View) -> list[str]:
    lines = []
    if view.role == "events":
        lines += comment(f"Whose rows they are. {view.keys[0]}: {view.reasons['entity']}.")
        lines += _others("entity", view, "Others that may be keys, in {name: column}")
    else:
        lines += comment(f"The key by which it is looked up: {view.reasons['join']}.")
        lines += _others("entity", view, "Other columns that both tables have")
    written = [entity_yaml(entity, key) for entity, key in view.entities]
    return [*lines, f"entity: {written[0] if len(written) == 1 else '[' + ', '.join(written) + ']'}"]


def _others(subject: str, view: View, head: str, indent: int = 0) -> list[str]:
    others = view.others.get(subject, ())
    if not others:
        return []
    more = f"; and {len(others) - _MOST_OTHERS} more" if len(others) > _MOST_OTHERS else ""
    return comment(f"{head}: {'; '.join(others[:_MOST_OTHERS])}{more}.", indent)


def _path(view: View, data: ViewData) -> list[str]:
    database = view.table.database
    if database is not None:
        return [
            *comment("Read once per run; credentials stay outside, in the environment or in pg_service.conf.", 2),
            f"  postgres: {scalar(database.service)}",
            f"  table: {scalar(database.table)}",
        ]
    if view.imported:
        made = "a directory for each UTC day" if view.time is not None else "one file"
        lines = comment(f"Made of {view.table.shown}: {made}.", 2)
        if is_plain(view):
            # Not broken: it is there to be copied.
            lines += ["  # When the file has grown or changed:", f"  # {one_line(command_of(view, data.path))}"]
        else:
            lines += comment(
                "Copied once. `daeda import` does not read what is here: a time of several columns, fields inside of "
                "objects, a zone for times of Parquet, or formats of times that read each other's texts.", 2,
            )  # fmt: skip
        return [*lines, f"  path: {scalar(data.path)}"]
    if view.time is not None and not data.partitioned:
        return [
            *comment("Not in dt= directories: when it grows, every day that was built is built anew.", 2),
            f"  path: {scalar(data.path)}",
        ]
    return [f"  path: {scalar(data.path)}"]


def _time(view: View) -> list[str]:
    time = view.time
    if time is None:
        return comment(
            "timestamp_field: …   a column that says since when a row holds would make it a look-up in time", 2
        )
    lines = comment(f"When a row happened: {time.why}.", 2)
    if not time.zoned and time.has_clock:
        lines += comment(f"It names no time zone, and is taken as {view.zone}.", 2)
    lines += _others("time", view, "Others that may be it", 2)
    lines += [f"  timestamp_field: {scalar(view.time_field.name)}"]
    if time.unit is not None:
        lines += [f"  timestamp_unit: {time.unit}"]
    return lines


def _known(view: View) -> list[str]:
    if view.time is None:
        return []
    lines = []
    if view.created:
        lines += comment(f"When a row became known: {view.reasons['created']}. Earlier events do not see it.", 2)
        lines += [f"  created_field: {scalar(view.created)}"]
    if view.after:
        why = f": {view.reasons['created']}" if view.reasons.get("created") else ""
        lines += [*comment(f"How long after its time a row is known{why}.", 2), f"  available: {{after: {view.after}}}"]
    if not lines:
        lines += comment("available: {after: 1h}   where a row is known only so long after its time", 2)
    return lines


def _gaps(view: View, data: ViewData) -> list[str]:
    if not data.gaps:
        return []
    what = "1 day" if data.gaps == 1 else f"{data.gaps:,} days"
    return [
        *comment(f"{what} between {data.first} and {data.last} without a row. Remove this where that is a loss.", 2),
        "  missing_partitions: empty",
    ]
