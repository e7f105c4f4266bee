"""The page in a real Chromium, from disk: it is drawn, it follows its filters, it fits a phone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from piyard.core.tables import Column
from piyard.report import columns
from piyard.report.formats import render_rows
from piyard.results.result import Reason, Result, Row, Verdict
from tests.support import sample_rows
from tests.support.sample_rows import row

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
CHARTS = ("latency", "run", "fleet", "accuracy")
PHONE, DESKTOP = 390, 1280
HOSTILE = "</script><img src=x onerror=\"document.title='owned'\"><b>bold</b>&amp;\n'\"`"
Open = Callable[..., Page]

pytestmark = pytest.mark.skipif(
    not CHROMIUM, reason="no Chromium is installed: apt-get install chromium"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Opens a page of rows; fails at the end for whatever it complained of or asked for."""
    file, trouble, requests_sent, contexts = tmp_path / "report.html", [], [], []

    def open_page(
        rows: list[Row] | None = None,
        results: list[Result] | None = None,
        *,
        width: int = DESKTOP,
        scheme: Any = "light",
    ) -> Page:
        if rows is None:
            rows, results = sample_rows.fleet()
        file.write_text(render_rows(rows, "html", results or []), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda said: trouble.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("request", lambda request: requests_sent.append(request.url))
        page.goto(file.as_uri())
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not trouble
    assert set(requests_sent) == {file.as_uri()}


def chart(page: Page, name: str) -> Locator:
    """A chart that was scrolled to, and so drawn."""
    figure = page.locator(f"#{name}")
    figure.scroll_into_view_if_needed()
    expect(figure.locator("figcaption")).not_to_be_empty()
    return figure


def rows(page: Page) -> Locator:
    return page.locator("tr.row:visible")


def column(page: Page, name: str) -> list[str]:
    return page.locator(f"tr.row:visible td[data-label='{name}']").all_inner_texts()


def contrast(page: Page, selector: str) -> float:
    """Of the text's colour to what is behind it, by WCAG 2."""
    return float(page.locator(selector).first.evaluate(CONTRAST))


CONTRAST = """element => {
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const light = text => numbers(text).slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const clear = of => numbers(getComputedStyle(of).backgroundColor)[3] === 0;
  let behind = element;
  while (behind && clear(behind)) behind = behind.parentElement;
  const ground = light(getComputedStyle(behind ?? document.body).backgroundColor);
  const style = getComputedStyle(element);
  const ink = light(element instanceof SVGElement ? style.fill : style.color);
  return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
}"""


def test_it_opens_and_every_chart_is_drawn_with_its_data(opened: Open) -> None:
    page = opened()
    expect(rows(page)).to_have_count(12)
    expect(chart(page, "latency").locator(".violin")).to_have_count(11)
    run = chart(page, "run")
    assert run.locator(".scatterlayer .point").count() > 500
    expect(run.locator(".scatterlayer .trace")).to_have_count(4)
    assert chart(page, "fleet").locator(".scatterlayer .point").count() >= 8
    assert chart(page, "accuracy").locator(".scatterlayer .point").count() == 10


def test_the_header_tells_what_it_is_of(opened: Open) -> None:
    page = opened()
    expect(page.locator("#summary")).to_contain_text(
        "12 rows from 5 boards: pi5-a (Raspberry Pi 5)"
    )
    expect(page.locator("#tally")).to_have_text("8 VALID2 SUSPECT1 INVALID1 EMULATED")


def test_numbers_sort_as_numbers_and_back(opened: Open) -> None:
    page = opened()
    head = page.get_by_role("columnheader", name="FPS")
    expect(head).to_have_attribute("aria-sort", "none")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    result = [float(text.split()[-1]) for text in column(page, "FPS")]
    assert result == sorted(result)
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert [float(text.split()[-1]) for text in column(page, "FPS")] == result[::-1]


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_a_further_column_is_one_entry_of_the_list(
    opened: Open, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    column: Column[Row] = Column(key="peak", title="Peak (kB)", value=lambda of: of.peak_rss_kb)
    monkeypatch.setattr(columns, "COLUMNS", [*columns.COLUMNS[:12], column, *columns.COLUMNS[12:]])
    measured = [row(run=f"r{kb}", host=f"h{kb}", peak_rss_kb=kb) for kb in (900, 61_440, 7_000)]
    page = opened(measured, width=width)
    if width == PHONE:
        page.locator("#sort").select_option(label="Peak (kB) ↓")
    else:
        page.get_by_role("columnheader", name="Peak (kB)").get_by_role("button").dblclick()
    cells = page.locator("tr.row:visible td[data-label='Peak (kB)']")
    expect(cells).to_have_text(["61440", "7000", "900"])
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_is_not_known_sorts_last_either_way(opened: Open) -> None:
    page = opened()
    head = page.get_by_role("columnheader", name="Energy")
    for _ in range(2):
        head.get_by_role("button").click()
        assert column(page, "Energy")[-1] == "N/A"


def test_the_keyboard_sorts_and_opens(opened: Open) -> None:
    page = opened()
    head = page.get_by_role("columnheader", name="Model")
    head.get_by_role("button").focus()
    page.keyboard.press("Enter")
    expect(head).to_have_attribute("aria-sort", "ascending")
    opener = page.locator(".open").first
    opener.focus()
    page.keyboard.press("Space")
    expect(opener).to_have_attribute("aria-expanded", "true")
    expect(page.locator("tr.more")).to_be_visible()
    page.keyboard.press("Space")
    expect(page.locator("tr.more")).to_have_count(0)


def test_filters_change_the_rows_and_the_charts(opened: Open) -> None:
    page = opened()
    chart(page, "latency")
    page.locator("#board").select_option(label="pi5-b")
    expect(rows(page)).to_have_count(4)
    expect(page.locator("#count")).to_have_text("4 of 12 rows")
    expect(chart(page, "latency").locator(".violin")).to_have_count(4)
    expect(chart(page, "fleet").locator("figcaption")).to_contain_text(
        "No job has a row from two boards"
    )
    expect(page.locator("#fleet .main-svg")).to_have_count(0)
    page.locator("#verdict").select_option(label="INVALID")
    expect(rows(page)).to_have_count(1)
    page.locator("#reset").click()
    expect(rows(page)).to_have_count(12)
    expect(chart(page, "latency").locator(".violin")).to_have_count(11)


@pytest.mark.parametrize(
    ("words", "left"), [("mobilenet", 3), ("FP32 pi4", 2), ("throttled", 1), ("no such thing", 0)]
)
def test_search_looks_for_every_word_everywhere(opened: Open, words: str, left: int) -> None:
    page = opened()
    page.locator("#text").fill(words)
    expect(rows(page)).to_have_count(left)
    expect(page.locator("#nothing")).to_be_visible(visible=left == 0)


def test_emulated_and_invalid_rows_stay_out_of_comparisons(opened: Open) -> None:
    page = opened()
    labels = chart(page, "latency").locator(".yaxislayer-above")
    expect(labels).not_to_contain_text("emulated")
    expect(labels).to_contain_text("INVALID")
    fleet = chart(page, "fleet")
    expect(fleet.locator(".legend")).not_to_contain_text("emulated")
    expect(fleet.locator("figcaption")).to_contain_text("1 emulated row left out. 1 INVALID row")


def test_emulated_rows_alone_are_shown_and_marked(opened: Open) -> None:
    page = opened()
    page.locator("#verdict").select_option(label="EMULATED")
    shown = chart(page, "latency")
    expect(shown.locator(".violin")).to_have_count(1)
    expect(shown.locator("figcaption")).to_contain_text("not a Pi's times")


def test_the_slow_board_is_pointed_out(opened: Open) -> None:
    fleet = chart(opened(), "fleet")
    expect(fleet.locator("figcaption")).to_contain_text("pi5-c is 31 % slower than its like")
    expect(fleet.locator(".textpoint")).to_have_text("+31 %")


def test_without_accuracies_it_says_so(opened: Open) -> None:
    accuracy = chart(opened([row(accuracy=None)]), "accuracy")
    expect(accuracy.locator("figcaption")).to_contain_text("None of these rows has an accuracy.")
    expect(accuracy.locator(".chart")).to_be_hidden()


def test_the_pareto_line_joins_what_no_other_beats(opened: Open) -> None:
    page = opened()
    chart(page, "accuracy")
    line = page.evaluate(
        "document.querySelector('#accuracy .chart').data.find(t => t.name === 'Pareto line').y"
    )
    assert line == [58.18, 71.88, 77.69]


def test_a_detail_shows_verdict_provenance_and_the_command(opened: Open) -> None:
    page = opened()
    page.get_by_role("button", name="INVALID, details of efficientnet_b0").click()
    detail = page.locator("tr.more")
    expect(detail).to_contain_text(sample_rows.THROTTLED.text)
    expect(detail.locator("code")).to_have_text(
        "invoke bench --host pi5-b --target rpi5 --model efficientnet_b0 --precision fp16 "
        "--threads 4 --budget 10 --warmup 8"
    )
    detail.get_by_text("Build (").click()
    expect(detail.get_by_text("14.2.0-19cross1")).to_be_visible()
    detail.get_by_role("button", name="Copy").click()
    expect(detail.get_by_role("button", name="Cop")).not_to_have_text("Copy")


def test_a_detail_leads_to_its_run_with_throttling_marked(opened: Open) -> None:
    """The run's chart was never looked at before."""
    page = opened(width=PHONE)
    page.get_by_role("button", name="INVALID, details of efficientnet_b0").click()
    page.get_by_role("button", name="Show its run below").click()
    run = page.locator("#run")
    expect(run.locator("figcaption")).to_contain_text("under-voltage, throttled from 7 s")
    expect(run.locator("h2")).to_be_in_viewport()
    expect(run.locator(".shapelayer path")).to_have_count(1)
    expect(run.locator("#chosen option:checked")).to_have_text(
        "INVALID efficientnet_b0 fp16 4T · pi5-b"
    )
    page.locator("#chosen").select_option(index=0)
    expect(run.locator("figcaption")).to_contain_text("Never throttled while it ran.")


def test_latencies_can_be_seen_relative_to_their_medians(opened: Open) -> None:
    page = opened()
    shown = chart(page, "latency")
    page.locator("#scale").select_option("%")
    expect(shown.locator(".xtitle")).to_have_text("% of the row's median")


@pytest.mark.parametrize("width", [PHONE, 768, 1024, DESKTOP])
def test_nothing_is_wider_than_the_screen(opened: Open, width: int) -> None:
    page = opened(width=width)
    for at in range(3):
        page.locator(".open").nth(at).click()
    for name in CHARTS:
        chart(page, name)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    table = page.locator(".scroll").evaluate("e => [e.scrollWidth, e.clientWidth]")
    assert width not in {PHONE, DESKTOP} or table[0] <= table[1]


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_in_light_and_dark(opened: Open, width: int, scheme: str) -> None:
    page = opened(width=width, scheme=scheme)
    chart(page, "latency")
    for selector in (
        *("#summary", "td.name", "td.last", "figcaption", "h2", "td .open", "#count"),
        *(f".badge.{verdict}" for verdict in ("VALID", "SUSPECT", "INVALID", "EMULATED")),
        *("tr.INVALID .figure", "tr.EMULATED .figure", "#latency .ytick text"),
    ):
        assert contrast(page, selector) >= 4.5, selector


def test_the_charts_follow_the_screen_into_the_dark(opened: Open) -> None:
    page = opened()
    tick = chart(page, "latency").locator(".ytick text").first
    light = tick.evaluate("e => getComputedStyle(e).fill")
    page.emulate_media(color_scheme="dark")
    expect(tick).not_to_have_css("fill", light)


def test_a_dark_screen_prints_on_white_paper_with_all_charts(opened: Open) -> None:
    page = opened(scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(page.locator(".chart .main-svg")).to_have_count(12)
    assert contrast(page, "#fleet .ytick text") >= 4.5
    assert contrast(page, "td.name") >= 4.5
    assert page.pdf().startswith(b"%PDF")


@pytest.mark.parametrize("width", [PHONE, DESKTOP])
def test_names_are_text_wherever_they_are_shown(opened: Open, width: int) -> None:
    hostile = [
        row(run=f"r{at}", host=f"{HOSTILE}{at}", title=HOSTILE, hardware=HOSTILE, target=HOSTILE)
        for at in range(2)
    ]
    hostile = [msgspec.structs.replace(of, accuracy=f"70 {HOSTILE}") for of in hostile]
    page = opened(hostile, [sample_rows.result(of, [1.0, 2.0, 1.5]) for of in hostile], width=width)
    page.locator(".open").first.click()
    for name in CHARTS:
        chart(page, name)
    assert page.title() == "piyard report"
    assert page.locator("img, b, .chart a, body > b").count() == 0
    assert "<img src=x" in (page.locator("td.name").nth(1).text_content() or "")
    expect(chart(page, "fleet").locator(".legend")).to_contain_text("<img src=x")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_no_rows_are_an_empty_page(opened: Open) -> None:
    page = opened([])
    expect(page.locator("#summary")).to_contain_text("0 rows from 0 boards")
    for name in CHARTS:
        expect(chart(page, name).locator(".chart")).to_be_hidden()


def test_three_hundred_rows_are_searched_and_drawn(opened: Open) -> None:
    many, results = [], []
    for at in range(300):
        samples = [19 + (at % 7) + i % 11 / 10 for i in range(600)]
        of = row(run=f"r{at}", host=f"pi-{at:03}", summary=sample_rows.summary(samples))
        many.append(of)
        results.append(sample_rows.result(of, samples))
    page = opened(many, results)
    expect(rows(page)).to_have_count(300)
    result = chart(page, "latency")
    expect(result.locator(".violin")).to_have_count(24)
    expect(result.locator("figcaption")).to_contain_text("The first 24 of 300")
    page.locator("#text").fill("pi-123")
    expect(rows(page)).to_have_count(1)
    expect(result.locator(".violin")).to_have_count(1)


def all_invalid() -> tuple[list[Row], list[Result]]:
    of, results = sample_rows.fleet()
    bad = Verdict(state="INVALID", reasons=[sample_rows.THROTTLED])
    real = [msgspec.structs.replace(each, verdict=bad) for each in of if not each.emulated]
    return real, results


def test_a_page_of_invalid_rows_says_nothing_that_is_not_true_of_them(opened: Open) -> None:
    page = opened(*all_invalid())
    for name in ("fleet", "accuracy"):
        said = chart(page, name).locator("figcaption")
        expect(said).to_have_text(
            "There is no row here that may be believed. 11 INVALID rows left out."
        )


def test_a_page_of_emulated_rows_says_whose_times_they_are(opened: Open) -> None:
    of, results = sample_rows.fleet()
    page = opened([each for each in of if each.emulated], results)
    for name in ("latency", "fleet", "accuracy"):
        expect(chart(page, name).locator("figcaption")).to_contain_text("not a Pi's times")
    page.locator("tr.row td[data-label='Model']").click()
    expect(page.locator("tr.more")).to_contain_text("an emulator's, not a Pi's")


def test_an_emulated_row_with_wrong_outputs_is_marked_and_not_drawn(opened: Open) -> None:
    wrong = Reason(code="output", grade="INVALID", text="the outputs differ")
    of, results = sample_rows.fleet()
    emulated = [each for each in of if each.emulated]
    verdict = Verdict(state="EMULATED", reasons=[wrong])
    page = opened([msgspec.structs.replace(item, verdict=verdict) for item in emulated], results)
    assert column(page, "FPS")[0].startswith("INVALID ")
    expect(chart(page, "accuracy").locator("figcaption")).to_contain_text("1 INVALID row left out")


def test_details_open_where_one_clicked_and_in_sight(opened: Open) -> None:
    of, results = sample_rows.fleet()
    page = opened(of * 2, results)
    last = rows(page).last
    last.locator("td[data-label='Model']").click()
    expect(page.locator("tr.more")).to_have_count(1)
    assert last.evaluate("row => row.nextElementSibling.classList.contains('more')")
    expect(last).to_be_in_viewport()
    expect(page.locator("tr.more h3").first).to_be_in_viewport()
    last.locator("td[data-label='Model']").click()
    expect(page.locator("tr.more")).to_have_count(0)
