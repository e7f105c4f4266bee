"""``data``: what a data set is recognised as, and what is in it."""

from __future__ import annotations

from pathlib import Path

from piyard.cli.desk_requests import DataQuery
from piyard.data.formats import open_data
from piyard.data.request import DataRequest
from piyard.data.summary import render_summary, summarise_data
from piyard.vision.tasks import find_task


def show_data(query: DataQuery) -> None:
    """Print its format, split, pictures, objects, classes, and what is left out."""
    kind = find_task(query.task).data_kind(None) if query.task else None
    path = Path(query.data).expanduser()
    request = DataRequest(path=path, kind=kind, split=query.split, limit=query.pictures)
    data = open_data(request, query.data_format).take(query.pictures)
    print(render_summary(summarise_data(data), query.format))
