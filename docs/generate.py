"""Write docs/reference/ from the models and the parsers, so that the reference cannot differ from what is accepted.

Usage: python -m docs.generate [--check]
"""

from __future__ import annotations

import argparse
import datetime as dt
import inspect
import json
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, BeforeValidator, PlainValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from beam_pipeline import command as skeleton_options
from beam_pipeline import pool as pool_options
from bench import memcap
from daeda.aggregates import KINDS, LIST_KINDS, AggregateKind, output_type
from daeda.answers.documents import ANSWERS
from daeda.catalog import service
from daeda.catalog.service import FeatureService
from daeda.catalog.view import FeatureView
from daeda.cli.main import build_parser
from daeda.dtypes import KNOWN, DType
from daeda.errors import ConfigurationError
from daeda.flags.table import SETTINGS
from daeda.operators.dag import Operator
from daeda.operators.operator import OperatorModel
from daeda.settings import runtime
from daeda.settings.aggregations import Aggregations
from daeda.settings.runtime import RuntimeSettings
from daeda.sources.models.model import SourceModel
from daeda.sources.models.source import SOURCE_KINDS
from daeda.sql.expression import FUNCTIONS
from docs import python_reference
from enrich import command as enrichment_options

REFERENCE = Path(__file__).parent / "reference"
_GENERATED = "<!-- Written by `make docs`: change the models or the parsers instead. -->\n"
_SIZE_UNITS = (("GiB", 2**30), ("MiB", 2**20))

# What a validator turns into a value is what a user writes.
_WRITTEN: Mapping[str, str] = {
    "parse_name": "name",
    "parse_import_path": "import path",
    "parse_size": "size",
    "_parse_dtype": "type",
    "_parse_read_dtype": "type",
    "_parse_duration": "duration",
    "_parse_delay": "duration, or 0s",
    "_parse_ahead": "duration",
    "_parse_grid": "divisor of a day, or whole days",
    "parse_half_life": "duration",
    "parse_quantile": "number",
    "_several": "number, or list of numbers",
    "_resolve_count": "whole number, or a name of base.yaml",
    "_resolve_list": "list of durations, or a name of base.yaml",
    "_one_or_more": "name, or list of names",
    "parse_zone": "time zone",
    "parse_clock": 'time of the day in quotes, like `"03:00"`',
    "parse_immature": "null or `wait`",
    "parse_data_until": "instant, or mapping of views to instants",
    "parse_splits": "mapping of names to ranges of days",
    "_parse_share": "number",
    "_parse_version": "version number, or tag",
    "parse_entities": "name, name and key like `{tail: tailnum}`, or list of these",
    "parse_source": "[Source](#source)",
    "_first_day": "day or month",
    "_last_day": "day or month",
}
# What every operator has, and what is shown of it in a column of its own.
_SHARED = frozenset({"name", "inputs", "output", "op_kind"})
# Columns whose aggregates the reference shows the types of.
_COLUMNS = ("int32", "decimal(12, 2)", "float", "bool", "string", "list<int64>")
_DEFAULT = re.compile(r" \(default: \d+\)")
_PLAIN: Mapping[type, str] = {str: "text", int: "whole number", bool: "true or false", float: "number", dt.date: "day"}


def main() -> int:
    """Write the pages; with --check, say which are not current and return 1."""
    parser = argparse.ArgumentParser(prog="python -m docs.generate", description="Write docs/reference/.")
    parser.add_argument("--check", action="store_true", help="write nothing, and fail where a page is not current")
    check = parser.parse_args().check
    late = [name for name, text in pages().items() if current(name) != text]
    if check:
        for name in late:
            print(f"docs/reference/{name} is not current: run `make docs`", file=sys.stderr)
        return 1 if late else 0
    REFERENCE.mkdir(exist_ok=True)
    for name in late:
        (REFERENCE / name).write_text(pages()[name], encoding="utf-8")
        print(f"docs/reference/{name}")
    return 0


def pages() -> dict[str, str]:
    """The pages by file name."""
    return {
        "configuration.md": configuration(),
        "pipeline.md": pipeline(),
        "commands.md": commands(),
        "answers.md": answers(),
        "answers.schema.json": answers_schema(),
        "python.md": "\n".join(["# Reference: Python", "", _GENERATED, python_reference.page()]),
    }


def current(name: str) -> str | None:
    """The page as it is, None where there is none."""
    path = REFERENCE / name
    return path.read_text(encoding="utf-8") if path.exists() else None


# Models --------------------------------------------------------------------------------------------------------------


def configuration() -> str:
    """Every file that is written by hand."""
    return "\n".join(
        [
            _GENERATED,
            "# Configuration\n",
            "Each file below lies in the project root, the directory that holds the `config/` of the runtime file. A "
            "key that is not listed is an error. `required` stands where a key has no default.\n",
            "| file | what it says |",
            "|---|---|",
            "| [config/base.yaml](#configbaseyaml) | numbers, texts and lists that have a name |",
            "| [config/training/runtime.yaml](#configtrainingruntimeyaml) | which service, which days, from where to "
            "where, how much of the machine |",
            "| [config/training/aggregations.yaml](#configtrainingaggregationsyaml) | windows of history, vectors |",
            "| [feature_views/*.yaml](#feature_viewsyaml) | one view each: where rows are, what is in them |",
            "| [feature_services/*.yaml](#feature_servicesyaml) | one service each: rows and columns of its data |",
            "| [config/pipelines/SERVICE.yaml](pipeline.md) | the operators, where they are edited by hand |\n",
            _VALUES,
            *_types(),
            *_expressions(),
            _BASE,
            "## config/training/runtime.yaml\n",
            _PRECEDENCE,
            *_models(RuntimeSettings, runtime_flags()),
            "## config/training/aggregations.yaml\n",
            *_models(Aggregations),
            *_kinds("aggregate", {kind: _gives(kind) for kind in KINDS}),
            *_types_of_aggregates(),
            "## feature_views/*.yaml\n",
            *_models(FeatureView),
            "## feature_services/*.yaml\n",
            *_models(FeatureService),
            *_kinds("column", service.KIND_MEANINGS),
        ]
    )


_VALUES = """## Values

| is written as | for example |
|---|---|
| name | letters, digits and `_`, beginning with a letter: `like_count` |
| import path | `package.module:function`: `my_features.text:title_length` |
| size | a whole number and `B`, `KiB`, `MiB`, `GiB`, `TiB`, `KB`, `MB`, `GB` or `TB`: `512MiB` |
| duration | a whole number and `ns`, `us`, `ms`, `s`, `m`, `h`, `d` or `w`, or `unbounded`: `7d`; a day is 86,400 s |
| day | `2024-01-31`, in UTC |
| month | `2024-01` |
"""
_BASE = """## config/base.yaml

Any key, with a whole number, a text or a list as its value. `max_length`, `dimension` and `windows` can name a key of
this file in place of their value. A key that no other file uses is a warning.
"""
_PRECEDENCE = """A flag wins over the environment, and the environment over this file. The variable of a key is
`DAEDA_` and the key in capitals, with `__` between levels: `DAEDA_DAY_WORKERS=4`, `DAEDA_RAY__NUM_CPUS=8`; lists and
mappings are written as JSON.
"""


def _expressions() -> list[str]:
    functions = ", ".join(f"`{name}`" for name in FUNCTIONS)
    return [
        "An **expression** (`where`, `having`, `expression`) is DuckDB's SQL over the columns at hand: comparisons, "
        "`AND`, `OR`, `NOT`, `IS`, `IN`, `BETWEEN`, `LIKE`, `CASE`, arithmetic, `||`, `INTERVAL`, and the functions "
        f"{functions}; in `having`, `count`, `sum`, `min`, `max` and `avg` too. Nothing else is accepted: no subquery, "
        "no file, no setting, nothing that depends on the time or on chance.\n"
    ]


def _types() -> Iterator[str]:
    yield f"A **type** is one of {', '.join(f'`{name}`' for name in KNOWN)}. They are Arrow's names.\n"
    yield 'What a sequence makes is written in quotes: `"list<struct<item_id: int64, age: int64>>"`.\n'


def runtime_flags() -> dict[str, str]:
    """The flag of each setting, by its dotted name."""
    return {flag.setting: flag.flag for flag in SETTINGS}


def _models(model: type[BaseModel], flags: Mapping[str, str] | None = None) -> Iterator[str]:
    """A table for a model and for each model in it, in the order in which they are met."""
    waiting: list[tuple[type[BaseModel], str]] = [(model, "")]
    for model, path in waiting:
        if path:
            yield f"### {'Source' if model is SourceModel else model.__name__}\n"
        yield f"`{path}`: {_paragraph(model)}" if path else _paragraph(model)
        if model is SourceModel:
            yield from _source_kinds()
        shared = frozenset(SourceModel.model_fields if model in SOURCE_KINDS else ())
        yield from _fields(model, path, flags, shared)
        hints = get_type_hints(model, include_extras=True)
        for name in model.model_fields:
            nested_models = _models_in(hints[name])
            for nested in [SourceModel, *nested_models] if set(SOURCE_KINDS) <= set(nested_models) else nested_models:
                if nested not in [seen for seen, _ in waiting]:
                    waiting.append((nested, f"{path}.{name}" if path else name))


def _source_kinds() -> Iterator[str]:
    yield "| kind | given by | keys |"
    yield "|---|---|---|"
    for kind in SOURCE_KINDS:
        keys = ", ".join(f"`{name}`" for name in kind.model_fields if name not in SourceModel.model_fields)
        yield f"| [{kind.__name__}](#{kind.__name__.lower()}) | `{kind.key}` | {keys} |"
    yield "\nEach kind has its own keys, and these:\n"


def _fields(
    model: type[BaseModel],
    path: str = "",
    flags: Mapping[str, str] | None = None,
    left_out: frozenset[str] = frozenset(),
) -> Iterator[str]:
    hints = get_type_hints(model, include_extras=True)
    with_flags = flags is not None and any(_dotted(path, name) in flags for name in model.model_fields)
    yield f"| key | value | default | meaning |{' flag |' if with_flags else ''}"
    yield f"|---|---|---|---|{'---|' if with_flags else ''}"
    yield from _rows(model, hints, path, flags if with_flags else None, left_out)
    yield ""


def _rows(
    model: type[BaseModel],
    hints: Mapping[str, Any],
    path: str = "",
    flags: Mapping[str, str] | None = None,
    left_out: frozenset[str] = frozenset(),
) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if name in left_out:
            continue
        value, default = _value(hints[name], field), _default(hints[name], field)
        cells = [f"`{field.alias or name}`", value, default, field.description or ""]
        if flags is not None:
            flag = flags.get(_dotted(path, name))
            cells.append(f"`{flag}`" if flag else "")
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _dotted(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _paragraph(model: type[BaseModel]) -> str:
    return f"{inspect.getdoc(model) or ''}\n"


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]


def _value(annotation: Any, field: FieldInfo) -> str:
    bounds = {
        type(constraint).__name__: getattr(constraint, type(constraint).__name__.lower(), None)
        for constraint in field.metadata
    }
    low, high = bounds.get("Ge"), bounds.get("Le")
    text = _written(annotation)
    if low is not None and high is not None:
        return f"{text}, {low} to {high}"
    return f"{text}, at least {low}" if low is not None else text


def _written(annotation: Any) -> str:
    """How a value of the annotation is written in YAML."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        for argument in arguments[1:]:
            if isinstance(argument, BeforeValidator | PlainValidator) and argument.func.__name__ in _WRITTEN:
                return _WRITTEN[argument.func.__name__]
        if any(
            isinstance(argument, BeforeValidator) and argument.func is runtime._output_column
            for argument in arguments[1:]
        ):
            return f"name, or {_written(arguments[0])}"
        return _written(arguments[0])
    if origin is Literal:
        return " | ".join(f"`{argument}`" for argument in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_written(argument) for argument in arguments if argument is not type(None))
    if origin is tuple:
        return f"list of {_written(arguments[0])}"
    if origin is dict:
        return f"mapping of text to {_written(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return _PLAIN.get(annotation, "any value")


def _default(annotation: Any, field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.default if field.default is not PydanticUndefined else None
    if value is None or value == () or value == "" or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if "size" in _written(annotation) and isinstance(value, int):
        return next(f"`{value // factor}{unit}`" for unit, factor in _SIZE_UNITS if value % factor == 0)
    return f"`{value}`"


def _kinds(what: str, meanings: Mapping[Any, str]) -> Iterator[str]:
    yield f"### Kinds of {what}\n"
    yield "| kind | gives |"
    yield "|---|---|"
    for kind, meaning in meanings.items():
        yield f"| `{kind}` | {meaning} |"
    yield ""


def _gives(kind: AggregateKind) -> str:
    return KINDS[kind].meaning + ("; needs `max_length`" if kind in LIST_KINDS else "")


def _types_of_aggregates() -> Iterator[str]:
    """The type of each kind by that of its column, what an empty window gives, and what the order of rows does."""
    yield "### Types of aggregates\n"
    yield (
        "The type of the result, by that of the column; a column of a type without one is an error. `int32` stands for "
        "every integer, `float` for `double` too, `string` for all that is neither number, boolean nor list. In "
        "[which order](../semantics.md) rows of one time are shows only where it *decides*.\n"
    )
    yield f"| kind | {' | '.join(f'of `{name}`' for name in _COLUMNS)} | empty window | order of rows of one time |"
    yield f"|---|{'---|' * len(_COLUMNS)}---|---|"
    for kind, aggregate in KINDS.items():
        cells = (*(_type_of(kind, DType.parse(name)) for name in _COLUMNS), aggregate.empty, aggregate.order.value)
        yield f"| `{kind}` | {' | '.join(cells)} |"
    yield ""


def _type_of(kind: AggregateKind, source: DType) -> str:
    try:
        return f"`{output_type(kind, source, kind)}`"
    except ConfigurationError:
        return ""


def pipeline() -> str:
    """The operators, as they stand in a pipeline file."""
    lines = [
        _GENERATED,
        "# Pipeline file\n",
        "`daeda pipeline compile SERVICE` writes `config/pipelines/SERVICE.generated.yaml`, which shows what a service "
        "is compiled into and is never read. A copy named `SERVICE.yaml` beside it takes the place of the compiled "
        "pipeline, and can be edited. It is checked like a compiled one; an operator that changes makes the days "
        "stale.\n",
        "The file has two keys, `service` and `operators`. Every operator has these:\n",
        "| key | value | default | meaning |",
        "|---|---|---|---|",
        "| `op_kind` | one of the kinds below | required | Which operator it is. |",
        *_rows(OperatorModel, get_type_hints(OperatorModel, include_extras=True)),
        "",
        "## Operators\n",
        "| op_kind | operator | runs on |",
        "|---|---|---|",
    ]
    operators: list[type[Any]] = list(get_args(Operator))
    for operator in operators:
        kind = operator.model_fields["op_kind"].default
        runs = (
            ", ".join(f"{target.executor}: {target.engine}" for target in sorted(operator.targets)) or "not built yet"
        )
        lines.append(f"| [`{kind}`](#{kind}) | {operator.__name__} | {runs} |")
    lines.append("")
    shared: list[type[BaseModel]] = []
    for operator in operators:
        lines += [
            f"### {operator.model_fields['op_kind'].default}\n",
            _paragraph(operator),
            *_fields(operator, left_out=_SHARED),
        ]
        shared = list(dict.fromkeys([*shared, *_models_below(operator)]))
    lines.append("## Entries of operators\n")
    for model in shared:
        lines += [f"### {model.__name__}\n", _paragraph(model), *_fields(model)]
    return "\n".join(lines)


def _models_below(model: type[BaseModel]) -> list[type[BaseModel]]:
    hints = get_type_hints(model, include_extras=True)
    return [nested for name in model.model_fields for nested in _models_in(hints[name])]


# Answers -------------------------------------------------------------------------------------------------------------


def answers() -> str:
    """The documents of --json."""
    lines = [
        _GENERATED,
        "# Answers as JSON\n",
        "With `--json` a command writes one document to stdout, and narrative to stderr as always. `format` names "
        "its form and version: a key that is added leaves the version as it is, one that is removed or means something "
        "else raises it. A command that ends with another code than 0 writes none, but for an audit that finds a "
        "difference, a check that finds mistakes, and a doctor that finds something wrong. "
        "[answers.schema.json](answers.schema.json) is the JSON schema of each, by its format. With `--log-json` every "
        "line of stderr is a document, too: a [LogLine](#logline).\n",
    ]
    for answer in ANSWERS:
        models = [answer, *_models_below(answer)]
        models += [below for model in models[1:] for below in _models_below(model)]
        for model in dict.fromkeys(models):
            lines += [f"## {model.__name__}\n", _paragraph(model), "| key | value | meaning |", "|---|---|---|"]
            for name, field in model.model_fields.items():
                value = _cell(_written(field.annotation))
                lines.append(f"| `{name}` | {value} | {_cell(field.description or '')} |")
            lines.append("")
    return "\n".join(lines)


def answers_schema() -> str:
    """The JSON schema of each document, by its format."""
    schemas = {one.model_fields["format"].default: one.model_json_schema(mode="serialization") for one in ANSWERS}
    return json.dumps(schemas, indent=2, sort_keys=True) + "\n"


# Commands ------------------------------------------------------------------------------------------------------------


def commands() -> str:
    """Every command with its flags."""
    lines = [
        _GENERATED,
        "# Commands\n",
        "Results go to stdout, everything else to stderr. Paths in flags are relative to the working directory, paths "
        "in YAML to the project root. Flags cannot be shortened.\n",
        "| exit code | meaning |",
        "|---|---|",
        "| 0 | done: every planned day is there, by its manifest; `plan` says with 0 what is blocked, too |",
        "| 1 | a day failed, an audit found a difference, or days are stale with `--on-stale fail`; the days published "
        "before it stay |",
        "| 2 | wrong usage, configuration or input, found before the first day; nothing was written |",
        "| 130 | interrupted; run again to go on |\n",
    ]
    for parser, what in parsers():
        lines += _command(parser, what)
    return "\n".join(lines)


def parsers() -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """Every command's parser with one sentence."""
    yield from _leaves(build_parser())
    makers: tuple[Callable[[], argparse.ArgumentParser], ...] = (
        skeleton_options.build_parser,
        pool_options.build_parser,
        enrichment_options.build_parser,
        memcap.build_parser,
    )
    for make in makers:
        parser = make()
        yield parser, parser.description or ""


def _leaves(parser: argparse.ArgumentParser) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    """The parsers at the ends of subcommands; argparse has no public way to ask for them."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, child in action.choices.items():
                children = list(_leaves(child))
                yield from children or [(child, f"{helps[name][:1].upper()}{helps[name][1:]}.")]


def _command(parser: argparse.ArgumentParser, what: str) -> Iterator[str]:
    words = [_positional(action) for action in parser._actions if not action.option_strings]
    yield f"## {parser.prog}\n"
    yield f"{what}{f' {parser.epilog}' if parser.epilog else ''}\n"
    yield f"    {' '.join([parser.prog, '[FLAGS]', *words])}\n"
    yield "| flag | default | meaning |"
    yield "|---|---|---|"
    for group in parser._action_groups:
        for action in group._group_actions:
            if action.option_strings and not isinstance(action, argparse._HelpAction):
                yield f"| {_cell(_flag(action))} | {_flag_default(action)} | {_cell(_help(action))} |"
    yield ""


def _positional(action: argparse.Action) -> str:
    return "-- COMMAND ..." if action.nargs == argparse.REMAINDER else action.dest.upper()


def _flag(action: argparse.Action) -> str:
    if isinstance(action, argparse.BooleanOptionalAction):
        return f"`--[no-]{action.option_strings[0].removeprefix('--')}`"
    metavar = "|".join(str(choice) for choice in action.choices) if action.choices else action.metavar
    many = " ..." if action.nargs == "+" else ""
    return f"`{action.option_strings[-1]}{f' {metavar}{many}' if action.nargs != 0 else ''}`"


def _flag_default(action: argparse.Action) -> str:
    if action.required:
        return "required"
    return "" if action.default is None or action.default is False else f"`{action.default}`"


def _help(action: argparse.Action) -> str:
    return _DEFAULT.sub("", action.help or "")


if __name__ == "__main__":
    raise SystemExit(main())
