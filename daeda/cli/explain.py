"""`daeda pipeline explain`: the DAG as text, as SQL, or as a flowchart."""

from __future__ import annotations

import argparse

from daeda.catalog.project import open_project
from daeda.cli.answers import explain_answer
from daeda.cli.compile import shown_path
from daeda.cli.summary import splits_told
from daeda.compiler.checks import checks_of
from daeda.compiler.compile import project_dag
from daeda.compiler.edited import edited_path
from daeda.planning.days import chosen_days
from daeda.planning.explain import explain_text, mermaid
from daeda.planning.explain_sql import explain_sql
from daeda.process.console import wrapped
from daeda.process.messages import answer, say


def explain(arguments: argparse.Namespace) -> int:
    """Print the DAG; returns the exit code."""
    project = open_project(arguments, arguments.service)
    dag = project_dag(project)
    if edited_path(project).exists():
        say(f"from {shown_path(edited_path(project))}, which takes the place of the compiled pipeline")
    if arguments.json:
        sql = None
        if arguments.sql:
            day = chosen_days(project, arguments.target_date)[0]
            sql = explain_sql(dag.skeleton(), day, project.runtime.rows_per_part)
        answer(explain_answer(project, dag, sql).text())
    elif arguments.sql:
        day = chosen_days(project, arguments.target_date)[0]
        answer(explain_sql(dag.skeleton(), day, project.runtime.rows_per_part))
    elif arguments.format == "mermaid":
        answer(mermaid(dag))
    else:
        answer(wrapped(explain_text(dag)))
        for sentence in splits_told(project.service, project.runtime.days):
            answer(wrapped(sentence))
        for check in checks_of(project, dag):
            answer(wrapped(f"check ({check.severity}): {check.text}"))
    return 0
