"""A DAG of Airflow 3 that keeps four weeks of a training set up to date: put it into the folder of DAGs.

daeda lies in an environment of its own, below the folder of the project, so that it shares no library with Airflow.
What is built is skipped, what waits for its labels is left out, and a task that was killed goes on where it was.
"""

from __future__ import annotations

import datetime as dt

import pendulum
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

PROJECT = "/srv/ranking"
SERVICE = "ranking"
DAEDA = ".venv/bin/daeda"

with DAG(
    dag_id="training_set",
    schedule="30 4 * * *",
    start_date=pendulum.datetime(2025, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
) as dag:
    # Exit code 1: a day failed, and trying again may help. 2: a mistake, found before the first day.
    train = BashOperator(
        task_id="train",
        cwd=PROJECT,
        bash_command=f"{DAEDA} train {SERVICE} --start -28d --end yesterday --yes --log-json",
        retries=1,
        retry_delay=dt.timedelta(minutes=10),
    )
    audit = BashOperator(
        task_id="audit",
        cwd=PROJECT,
        bash_command=f"{DAEDA} audit leakage {SERVICE} --quick",
    )
    train >> audit
