"""Small files of several kinds, as people have them: texts for times, NA for NULL, names of every taste."""

from __future__ import annotations

import csv
import datetime as dt
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

START = dt.datetime(2024, 3, 1)
DAYS = 12


def write_csv(path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)
    return path


def flights(folder: Path) -> list[Path]:
    """Twelve days of flights and hourly weather; a delay is known at arrival, and a tail is sometimes missing."""
    draw = random.Random(1)
    rows = []
    for day in range(DAYS):
        for number in range(30):
            at = START + dt.timedelta(days=day, hours=5 + number // 2)
            tail = "NA" if number == 7 else f"N{draw.randint(1, 25)}"
            delay: Any = "NA" if number == 9 else draw.randint(-10, 90)
            rows.append([at.day, f"{at.hour}15", delay, delay, tail, draw.choice(["JFK", "EWR"]), f"{at.isoformat()}Z"])
    names = ["day", "sched_dep_time", "dep_delay", "arr_delay", "tailnum", "origin", "time_hour"]
    hours = [START + dt.timedelta(hours=hour) for hour in range(24 * DAYS)]
    weather = [
        [origin, at.day, round(draw.random() * 30, 1), "NA", f"{at.isoformat()}Z"]
        for at in hours
        for origin in ("JFK", "EWR")
    ]
    return [
        write_csv(folder / "flights.csv", names, rows),
        write_csv(folder / "weather.csv", ["origin", "day", "temp", "gust", "time_hour"], weather),
    ]


def sensors(folder: Path) -> list[Path]:
    draw = random.Random(2)
    rows = [
        [f"s{sensor}", int(at.replace(tzinfo=dt.UTC).timestamp()) + sensor, round(draw.random() * 9, 2)]
        for at in (START + dt.timedelta(minutes=30 * step) for step in range(48 * DAYS))
        for sensor in range(3)
    ]
    return [write_csv(folder / "sensors.csv", ["sensor", "ts", "temperature"], rows)]


def log(folder: Path) -> list[Path]:
    draw = random.Random(3)
    path = folder / "log.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        for number in range(600):
            at = START + dt.timedelta(minutes=28 * number)
            event = {"event_id": f"e{number}", "user_id": draw.randint(1, 90), "type": draw.choice(["view", "buy"])}
            event |= {
                "at": f"{at.isoformat()}+01:00",
                "received_at": f"{(at + dt.timedelta(seconds=9)).isoformat()}+01:00",
            }
            event |= {"page": {"id": draw.randint(1, 9)}, "tags": ["a", "b"], "price": draw.choice([None, 1.5, 2.5])}
            file.write(json.dumps(event) + "\n")
    return [path]


def orders(folder: Path) -> list[Path]:
    draw = random.Random(4)
    rows, items = [], []
    for number in range(600):
        at = START + dt.timedelta(minutes=28 * number)
        late = at + dt.timedelta(hours=30)
        written = [f"{moment:%m/%d/%Y %H:%M}" for moment in (at, late)]
        rows.append(
            [7000 + number, draw.randint(1, 60), written[0], draw.choice(["done", "void"]), number / 4, written[1]]
        )
        items += [[7000 + number, product, draw.randint(1, 3)] for product in draw.sample(range(40), 2)]
    names = ["Order ID", "customer_id", "ordered_at", "status", "total", "delivered_at"]
    customers = [[number, f"name {number}", draw.choice(["DE", "FR"]), "2023-05-06"] for number in range(1, 61)]
    return [
        write_csv(folder / "orders.csv", names, rows),
        write_csv(folder / "items.csv", ["Order ID", "product_id", "qty"], items),
        write_csv(folder / "customers.csv", ["id", "name", "country", "signup_date"], customers),
    ]


def ratings(folder: Path) -> list[Path]:
    draw = random.Random(5)
    first = int(START.replace(tzinfo=dt.UTC).timestamp())
    rows = [
        [draw.randint(1, 50), draw.randint(1, 80), draw.randint(1, 5), first + draw.randint(0, DAYS * 86_400 - 1)]
        for _ in range(900)
    ]
    films = [[number, f"Film {number}", draw.choice(["drama", "comedy"])] for number in range(1, 81)]
    return [
        write_csv(folder / "ratings.csv", ["userId", "movieId", "rating", "timestamp"], sorted(rows)),
        write_csv(folder / "movies.csv", ["movieId", "title", "genre"], films),
    ]


def shops(folder: Path) -> list[Path]:
    """A date in one column and the clock, as HHMM, in another one."""
    draw = random.Random(6)
    rows = [
        [f"{START + dt.timedelta(days=day):%Y-%m-%d}", f"{hour:02}{minute:02}", f"shop{shop}", draw.randint(1, 99)]
        for day in range(DAYS)
        for hour in range(8, 20)
        for minute in (0, 30)
        for shop in range(2)
    ]
    return [write_csv(folder / "sales.csv", ["date", "hhmm", "store", "sales"], rows)]


def timeless(folder: Path) -> list[Path]:
    return [write_csv(folder / "cities.csv", ["city", "people"], [[f"c{n}", 1000 + n] for n in range(30)])]
