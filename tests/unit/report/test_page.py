"""The page as a file: whole, closed to the outside, and nothing in it but text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from piyard.core.errors import NotSetUp
from piyard.report import page
from piyard.report.columns import shown_columns
from piyard.report.formats import render_rows
from piyard.report.page import (
    PAGE_SCRIPTS,
    PageEntry,
    _fill_template,
    _read_page_file,
    embed_json,
    page_payload,
    payload_json,
)
from piyard.report.provenance import (
    Timeline,
    has_sample_times,
    make_timeline,
    provenance_groups,
    sample_ends,
    thin_moments,
)
from piyard.run.telemetry import Sample
from tests.support import sample_rows
from tests.support.sample_rows import row

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
BREAKERS = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]>",
    "{{data}}",
    "\u2028\\\"'&lt;",
]


class Parts(HTMLParser):
    """Tags, their attributes, and the text of each script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag == "script":
            self.scripts.append("")
        self._inside = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data


@pytest.fixture(scope="module")
def whole() -> Parts:
    return Parts(render_rows(*_fleet()))


def _fleet() -> tuple[Any, str, Any]:
    rows, results = sample_rows.fleet()
    return rows, "html", results


def test_nothing_in_it_comes_from_elsewhere(whole: Parts) -> None:
    addresses = [
        value or ""
        for _, name, value in whole.attributes
        if name in {"src", "href", "srcset", "action", "data", "poster", "background"}
    ]
    assert all(address.startswith("#") for address in addresses)
    assert not {"link", "iframe", "object", "embed", "base", "img"} & set(whole.tags)
    style = _read_page_file("page.css")
    assert "url(" not in style
    assert "@import" not in style


def test_its_policy_lets_only_its_own_scripts_run(whole: Parts) -> None:
    (policy,) = [
        v or "" for _, n, v in whole.attributes if n == "content" and "default-src" in str(v)
    ]
    assert "default-src 'none'" in policy
    assert "connect-src" not in policy
    data, *scripts = whole.scripts
    content = [column["key"] for column in json.loads(data)["columns"]]
    assert content == [column.key for column in shown_columns([])]
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "unsafe" not in policy.split("script-src")[1].split(";")[0]


def test_no_script_of_ours_parses_text_as_html() -> None:
    ours = "".join(map(_read_page_file, PAGE_SCRIPTS))
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "fetch(",
    ):
        assert way not in ours
    assert "\N{REPLACEMENT CHARACTER}" not in ours


@given(NAMES)
@settings(max_examples=30)
@example(BREAKERS[0])
@example(BREAKERS[1])
@example(BREAKERS[2])
@example(BREAKERS[3])
@example(BREAKERS[4])
def test_any_name_arrives_as_text(name: str) -> None:
    rows = [row(title=name, host=name, hardware=name)]
    text = embed_json(payload_json(page_payload(rows, [])))
    assert "<" not in text
    (entry,) = json.loads(text)["entries"]
    assert entry["row"]["title"] == entry["row"]["host"] == entry["cells"]["model"] == name


@pytest.mark.parametrize("name", BREAKERS)
def test_no_name_adds_a_tag_or_a_script_to_the_page(whole: Parts, name: str) -> None:
    of = row(title=name, host=name)
    parts = Parts(render_rows([of], "html", [sample_rows.result(of, [1.0])]))
    assert parts.tags == whole.tags
    assert parts.scripts[1:] == whole.scripts[1:]


def test_the_template_is_filled_completely(whole: Parts) -> None:
    assert "{{" not in re.sub(r"(?s)<script.*?</script>", "", _read_page_file("page.html")).replace(
        "{{policy}}", ""
    ).replace("{{style}}", "")
    with pytest.raises(KeyError):
        _fill_template("{{unknown}}", {})


def test_without_plotly_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(NotSetUp, match=r"\./yard --setup"):
        render_rows([row()], "html")


def test_three_hundred_rows_are_less_than_ten_megabytes() -> None:
    """Each with more samples than a page takes of a row."""
    rows = [row(run=f"r{i}", host=f"pi-{i % 40}", model=f"m{i // 40}") for i in range(300)]
    series = [19.123456 + i / 1e4 for i in range(5000)]
    result = [Sample(uptime_s=4000 + i / 2, temperature_mc=50_000 + i) for i in range(200)]
    text = render_rows(rows, "html", [sample_rows.result(of, series, result) for of in rows])
    assert len(text.encode()) < 10_000_000


# What the page is filled with


def entries(*rows: Any, results: Any = ()) -> list[PageEntry]:
    return list(page_payload(rows, results).entries)


def test_only_the_newest_of_a_job_brings_samples() -> None:
    old, new = row(run="a", when="2026-01-01"), row(run="b", when="2026-01-02")
    results = [sample_rows.result(of, [1.0, 2.0]) for of in (old, new)]
    result = page_payload([new, old], results)
    assert [(e.newest, list(e.samples)) for e in result.entries] == [
        (True, [1.0, 2.0]),
        (False, []),
    ]
    assert result.without_samples == 1


def test_samples_are_rounded_to_the_microsecond_and_thinned_evenly() -> None:
    of = row()
    (entry,) = entries(of, results=[sample_rows.result(of, [i + 0.0001234 for i in range(2500)])])
    assert entry.every == 3
    assert list(entry.samples[:3]) == [0.0, 3.0, 6.0]
    assert len(entry.samples) == len(entry.ends) == 834


def test_a_page_has_room_for_so_many_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "MAX_SAMPLES_PER_PAGE", 5)
    rows = [row(run=f"r{i}", host=f"h{i}", when=f"2026-01-0{i + 1}") for i in range(3)]
    result = page_payload(rows, [sample_rows.result(of, [1.0, 2.0]) for of in rows])
    assert [len(entry.samples) for entry in result.entries] == [0, 2, 2]
    assert result.without_samples == 1


def test_what_rows_share_is_there_once() -> None:
    rows = [row(run="a", host="a"), row(run="b", host="b")]
    result = page_payload(rows, [sample_rows.result(of, [1.0]) for of in rows])
    assert [group.title for group in result.groups].count("Build") == 1
    first, second = result.entries
    assert len(set(first.provenance) & set(second.provenance)) >= 3


def test_the_command_is_quoted_for_a_shell() -> None:
    (entry,) = entries(row(host="my pi; rm"))
    assert "--host 'my pi; rm' --target" in entry.command


@pytest.mark.parametrize(
    ("text", "number", "measure"),
    [
        ("69.76 % top-1", 69.76, "% top-1"),
        ("0.372 mAP", 0.372, "mAP"),
        ("71", 71.0, ""),
        ("unknown", None, ""),
        (None, None, ""),
    ],
)
def test_the_accuracy_of_a_row_is_a_number_of_something(
    text: str | None, number: float | None, measure: str
) -> None:
    (entry,) = entries(row(accuracy=text))
    assert (entry.accuracy, entry.measure) == (number, measure)


def test_columns_sort_by_numbers_where_they_are_numbers() -> None:
    (entry,) = entries(row(**sample_rows.every_field()))
    expected = {
        "resolution": 224 * 224,
        "batch": 1,
        "params": 11_689_512,
        "macs": 1_814_073_344,
        "accuracy": 69.76,
        "fps": row().fps,
        "latency": 19.84,
        "energy": 0.213,
        "cost": 80.0,
    }
    assert {key: entry.sort[key] for key in expected} == expected


# Provenance and the timeline


def test_provenance_names_what_the_row_came_from() -> None:
    of = row()
    result = {g.title: dict(g.lines) for g in provenance_groups(of, sample_rows.result(of, [1.0]))}
    assert result["Model"]["key"] == of.model_key
    assert result["Build"]["ncnn · source · version"] == "20261020"
    assert result["Build"]["compilers · g++-14-aarch64-linux-gnu"] == "14.2.0-19cross1"
    assert result["Board"]["governor"] == "ondemand"
    assert result["Computed as"]["precision · label"] == "fp16"
    assert result["Computed as"]["options · use_fp16_arithmetic"] == "yes"
    assert "Board afterwards" not in result


def test_provenance_keeps_no_secret() -> None:
    of = row()
    message = str(provenance_groups(of, sample_rows.result(of, [1.0])))
    assert "secret-of-the-lease" not in message


def test_without_a_result_provenance_is_what_the_row_knows() -> None:
    (group,) = provenance_groups(row(), None)
    assert dict(group.lines)["build"] == row().build


def test_the_timeline_is_in_seconds_degrees_and_megahertz() -> None:
    result = [
        Sample(uptime_s=100.0, temperature_mc=48_600, khz=2_400_000, arm_hz=2_400_021_000),
        Sample(uptime_s=100.5, throttled="0x50005"),
    ]
    timeline = make_timeline(sample_rows.result(row(), [1.0], result))
    assert timeline == Timeline(
        t=[0.0, 0.5],
        celsius=[48.6, None],
        mhz=[2400.0, 2400.0],  # held: the firmware is asked by turns
        kernel_mhz=[2400.0, None],
        throttled=[None, 0x50005],
    )


@pytest.mark.parametrize(
    "samples", [[], [Sample(uptime_s=1.0, load=2.0)], [Sample(uptime_s=1.0, throttled="nonsense")]]
)
def test_a_board_that_tells_nothing_has_no_timeline(samples: list[Sample]) -> None:
    assert make_timeline(sample_rows.result(row(), [1.0], samples)) is None


def test_samples_end_when_the_log_says() -> None:
    result = sample_rows.result(row(), [500.0, 250.0], [Sample(uptime_s=99.0)])
    result.starts_s[:] = [100.0, 101.0]
    assert sample_ends(result) == [1.5, 2.25]


def test_where_the_log_does_not_say_they_end_with_the_last_moment() -> None:
    result = [Sample(uptime_s=10.0), Sample(uptime_s=14.0)]
    detected = sample_rows.result(row(), [1000.0, 500.0], result)
    detected.starts_s.clear()
    assert sample_ends(detected) == [3.5, 4.0]
    assert not has_sample_times(detected)


@given(st.lists(st.sampled_from(["0x0", "0x4", "0x1"]), min_size=1, max_size=300))
def test_thinning_loses_no_change_of_throttling(words: list[str]) -> None:
    result = [Sample(uptime_s=i, throttled=w) for i, w in enumerate(words)]
    kept = thin_moments(result, most=10)

    def changes(moments: Any) -> list[str]:
        seen = [m.throttled for m in moments]
        return [w for i, w in enumerate(seen) if i == 0 or w != seen[i - 1]]

    assert changes(kept) == changes(result)
    assert len(kept) <= 10 + len(changes(result))
