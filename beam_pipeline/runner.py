"""Which Beam runner runs: DirectRunner means the in-process FnApiRunner, and nothing that is downloaded."""

from __future__ import annotations

from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.portability.api import beam_provision_api_pb2
from apache_beam.runners.portability.fn_api_runner import fn_runner
from apache_beam.runners.portability.portable_runner import JobServiceHandle
from apache_beam.runners.runner import PipelineRunner

from daeda.cli.arguments import StrictParser
from daeda.errors import NotBuiltYet

_IN_PROCESS = frozenset({"DirectRunner", "FnApiRunner"})


def in_process_runner(options: PipelineOptions) -> PipelineRunner:
    """The FnApiRunner, with the options that Beam's own switching runner would give it."""
    encoded = JobServiceHandle.encode_pipeline_options(options.get_all_options())
    info = beam_provision_api_pb2.ProvisionInfo(pipeline_options=encoded)
    return fn_runner.FnApiRunner(provision_info=fn_runner.ExtendedProvisionInfo(info))


def pipeline_options(words: list[str], bundles: int) -> PipelineOptions:
    """Beam's options from the words behind ours; `bundles` is how many threads hold days.

    Raises NotBuiltYet for a runner that this version does not offer.
    """
    options = PipelineOptions(words, save_main_session=False)
    standard = options.view_as(StandardOptions)
    standard.runner = standard.runner or "DirectRunner"
    if standard.runner not in _IN_PROCESS:
        raise NotBuiltYet(f"--runner {standard.runner} is described and not built yet: use DirectRunner")
    direct = options.view_as(DirectOptions)
    direct.direct_running_mode = "in_memory"
    direct.direct_num_workers = bundles
    return options


def unknown_to_beam(words: list[str]) -> tuple[list[str], list[str]]:
    """All flags that Beam knows, and those of `words` that it does not know."""
    parser = StrictParser(prog="beam", add_help=False)
    for options in (PipelineOptions, *_subclasses(PipelineOptions)):
        # Beam has no public way to ask; every class of options adds its own arguments.
        options._add_argparse_args(parser)
    _, unknown = parser.parse_known_args(words)
    return parser.flags(), [word for word in unknown if word.startswith("-")] or unknown


def _subclasses(kind: Any) -> list[Any]:
    found: list[Any] = []
    for one in kind.__subclasses__():
        found += [one, *_subclasses(one)]
    return found


def new_pipeline(options: PipelineOptions) -> beam.Pipeline:
    """A pipeline on the pinned runner."""
    return beam.Pipeline(runner=in_process_runner(options), options=options)
