"""Every document, for the reference and the schema."""

from __future__ import annotations

from daeda.answers.answer import Answer
from daeda.answers.catalog import CatalogAnswer
from daeda.answers.days import PlanAnswer, TrainAnswer
from daeda.answers.difference import DiffAnswer
from daeda.answers.findings import AuditAnswer, CheckAnswer, DoctorAnswer, ReportAnswer
from daeda.answers.imported import ImportAnswer
from daeda.answers.log import LogLine
from daeda.answers.pipeline import ExplainAnswer
from daeda.answers.published import EraseAnswer, PruneAnswer, TagAnswer, VerifyAnswer
from daeda.answers.rows import ExplainedRowAnswer, PreviewAnswer

ANSWERS: tuple[type[Answer], ...] = (
    CheckAnswer,
    PreviewAnswer,
    ExplainedRowAnswer,
    PlanAnswer,
    ExplainAnswer,
    TrainAnswer,
    EraseAnswer,
    TagAnswer,
    VerifyAnswer,
    DiffAnswer,
    PruneAnswer,
    AuditAnswer,
    CatalogAnswer,
    ReportAnswer,
    ImportAnswer,
    DoctorAnswer,
    LogLine,
)
