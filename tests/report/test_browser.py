"""The page in a real headless Chromium, opened as a file, with no network to help it."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from abreast.report.write import write_report
from support.report_runs import config, write_run

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")),
    reason="needs Chromium and its driver (Debian: apt-get install chromium chromium-driver)",
)
HOSTILE = '<script>window.hacked=1</script><img src=x onerror="window.hacked=1"> %{x} </script>'


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep with a clear order, runs that failed, hostile names and worst-classified images."""
    folder = tmp_path_factory.mktemp("sweep")
    level = {"adam": 0.95, "sgd": 0.90, "rmsprop": 0.60}
    for loss in ("cross_entropy", "mse"):
        for optim, base in level.items():
            for rate in (0.1, 0.01):
                for seed in range(3):
                    value = base - (rate == 0.1) * 0.05 + 0.003 * seed + 0.001 * (loss == "mse") * (seed - 1)
                    cfg = config(seed=seed, loss=loss, optim=optim, optim__lr=rate)
                    run = write_run(folder / f"{loss}-{optim}-{rate}-{seed}", cfg, test=value, val=value)
                    keep_images(run)
    for seed in range(3):
        cfg = config(seed=seed, loss=HOSTILE, optim="sgd", optim__lr=0.1)
        write_run(folder / f"hostile{seed}", cfg, test=0.5 + 0.01 * seed, val=0.5)
        write_run(
            folder / f"bad{seed}",
            config(seed=seed, loss="mse", optim="lbfgs"),
            status="failed",
            reason=HOSTILE,
        )
    return write_report([folder], tmp_path_factory.mktemp("out")).page


def keep_images(run: Path) -> None:
    strip = Image.new("L", (16, 8), 200)
    file = io.BytesIO()
    strip.save(file, "PNG")
    worst = {
        "classes": ["0", "1", "2"],
        "height": 8,
        "width": 8,
        "images": [
            {"example": index, "label": 1, "prediction": 2, "probability": 0.1, "confidence": 0.8}
            for index in range(2)
        ],
        "png": base64.b64encode(file.getvalue()).decode(),
    }
    (run / "worst.json").write_text(json.dumps(worst))


@pytest.fixture
def opened(browser: Any, page: Path) -> Iterator[Callable[..., Any]]:
    """Opens the page at a size and in a colour scheme; at the end the console has to be empty."""

    def open_(width: int = 1200, height: int = 900, scheme: str = "light", path: Path = page) -> Any:
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {
                "features": [
                    {"name": "prefers-color-scheme", "value": scheme},
                    {"name": "prefers-reduced-motion", "value": "reduce"},
                ]
            },
        )
        browser.get(path.as_uri())
        browser.execute_script("try { localStorage.clear() } catch {}")
        browser.get(path.as_uri())
        assert browser.execute_script("return document.documentElement.dataset.ready") == "true"
        return browser

    browser.get("about:blank")
    browser.get_log("browser")
    yield open_
    assert browser.get_log("browser") == []
    assert not browser.execute_script("return window.hacked")


def until(found: Callable[[], Any], seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while True:
        value = found()
        if value:
            return value
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def click(browser: Any, element: Any) -> None:
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    element.click()


def cells(browser: Any, table: str, column: str) -> list[str]:
    """The texts of a column of a table that the script filled."""
    return browser.execute_script(
        """const holder = document.querySelector(`[data-table="${arguments[0]}"]`);
        const heads = [...holder.querySelectorAll("thead th")].map((th) => th.textContent);
        const at = heads.indexOf(arguments[1]);
        return [...holder.querySelectorAll("tbody tr")].map((tr) => tr.children[at].textContent);""",
        table,
        column,
    )


def draw_all(browser: Any) -> None:
    """Scroll through the page, so that every figure is drawn."""
    browser.execute_script("for (const plot of document.querySelectorAll('.plot')) plot.scrollIntoView()")
    for plot in browser.find_elements("css selector", ".plot"):
        browser.execute_script("arguments[0].scrollIntoView()", plot)
        until(
            lambda plot=plot: browser.execute_script(  # type: ignore[misc]
                "return !!arguments[0].querySelector('svg.main-svg')", plot
            )
        )


FIGURES = {"heatmap", "ranking", "differences", "curves", "lr-sensitivity", "time-to-target", "confusion"}


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (1200, "dark"), (360, "light")])
def test_every_figure_is_drawn_and_nothing_is_wider_than_the_screen(
    opened: Callable[..., Any], width: int, scheme: str
) -> None:
    browser = opened(width, 800, scheme)
    draw_all(browser)
    names = browser.execute_script(
        "return [...document.querySelectorAll('.plot')].map((each) => each.dataset.figure)"
    )
    assert set(names) == FIGURES
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script("return document.documentElement.dataset.theme") == scheme


def test_on_a_phone_names_above_their_marks_leave_the_ticks_of_the_other_axis(
    opened: Callable[..., Any],
) -> None:
    browser = opened(360, 800)
    draw_all(browser)
    hidden = """return ['ranking', 'differences', 'time-to-target'].map((name) => {
        const plot = document.querySelector(`.plot[data-figure="${name}"]`);
        const ticks = [...plot.querySelectorAll('.xtick text')];
        return [plot.querySelectorAll('.annotation-text').length >= plot.layout.yaxis.categoryarray.length,
                ticks.length > 1, ticks.filter((tick) => getComputedStyle(tick).display === 'none').length];
    })"""
    assert browser.execute_script(hidden) == [[True, True, 0]] * 3


def test_print_is_light_and_shows_whole_figures(opened: Callable[..., Any]) -> None:
    browser = opened(1200, 800, "dark")
    sizes = "return [...document.querySelectorAll('.plot')].map((plot) => plot._fullLayout?.width || 0)"
    before = browser.execute_script("window.dispatchEvent(new Event('beforeprint')); " + sizes)
    until(lambda: all(0 < size <= 640 for size in browser.execute_script(sizes)), 5)
    assert browser.execute_script("return document.documentElement.dataset.theme") == "light"
    browser.execute_script("window.dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script("return document.documentElement.dataset.theme") == "dark"
    limit = max(
        browser.execute_script("return [...document.querySelectorAll('.plot')].map((p) => p.clientWidth)")
    )
    until(lambda: max(browser.execute_script(sizes)) == limit, 5)
    assert limit > 640
    assert len(before) == len(FIGURES)


def test_landmarks_have_different_names(opened: Callable[..., Any]) -> None:
    browser = opened()
    browser.execute_script("for (const part of document.querySelectorAll('details')) part.open = true")
    names = browser.execute_script(
        "return [...document.querySelectorAll('section, [role=region]')].map((part) =>"
        " part.getAttribute('aria-label') ||"
        " document.getElementById(part.getAttribute('aria-labelledby')).textContent)"
    )
    assert len(names) > 10
    assert len(set(names)) == len(names)


def test_it_loads_nothing_from_anywhere(opened: Callable[..., Any]) -> None:
    browser = opened()
    draw_all(browser)
    fetched = browser.execute_script(
        "return performance.getEntriesByType('resource').map((each) => each.name)"
        ".filter((name) => !/^(data|blob):/.test(name))"
    )
    assert fetched == []


def test_the_result_comes_first(opened: Callable[..., Any]) -> None:
    browser = opened()
    first = browser.find_element("css selector", "main section")
    lead = first.find_element("css selector", ".lead").text
    assert lead.startswith(
        "Best by validation accuracy: loss=cross_entropy optim=adam optim.lr=0.01, with test accuracy 0.9530"
    )
    assert "n = 3 seeds" in lead
    assert "t test over common seeds" in first.text
    assert "3 failed" in first.text


def test_sorting(opened: Callable[..., Any]) -> None:
    browser = opened()
    button = next(
        each
        for each in browser.find_elements("css selector", '[data-table="groups"] thead button')
        if each.text == "test accuracy"
    )
    head = button.find_element("xpath", "..")
    assert head.get_attribute("aria-sort") == "none"
    click(browser, button)
    values = [value for value in cells(browser, "groups", "test accuracy") if value]
    assert len(values) == 13
    assert values == sorted(values)
    assert head.get_attribute("aria-sort") == "ascending"
    click(browser, button)
    assert head.get_attribute("aria-sort") == "descending"
    assert [value for value in cells(browser, "groups", "test accuracy") if value] == values[::-1]
    assert cells(browser, "groups", "test accuracy")[-1] == ""  # empty cells come last in both directions


def test_numbers_sort_as_numbers(opened: Callable[..., Any]) -> None:
    browser = opened()
    next(
        each
        for each in browser.find_elements("css selector", '[data-table="groups"] thead button')
        if each.text == "optim.lr"
    ).click()
    rates = [float(value) for value in cells(browser, "groups", "optim.lr") if value]
    assert set(rates) == {0.001, 0.01, 0.1}
    assert set(cells(browser, "groups", "optim.lr")) == {"0.001", "0.01", "0.1"}  # as they were written
    assert rates == sorted(rates)


def test_filtering(opened: Callable[..., Any]) -> None:
    browser = opened()
    holder = browser.find_element("css selector", '[data-table="groups"]')
    search = holder.find_element("css selector", "input[type=search]")
    search.send_keys("optim=adam loss=mse")
    assert set(cells(browser, "groups", "optim")) == {"adam"}
    assert holder.find_element("css selector", "[role=status]").text == "2 of 14 rows"
    search.clear()
    search.send_keys("nothing has this")
    assert cells(browser, "groups", "optim") == []


def test_choosing_a_status(opened: Callable[..., Any]) -> None:
    from selenium.webdriver.support.ui import Select

    browser = opened()
    holder = browser.find_element("css selector", '[data-table="runs"]')
    assert holder.find_element("css selector", ".pages span").text == "Page 1 of 2"
    Select(holder.find_element("css selector", "select")).select_by_visible_text("failed")
    assert set(cells(browser, "runs", "status")) == {"failed"}
    assert set(cells(browser, "runs", "note")) == {HOSTILE}


def test_pages_of_a_table(opened: Callable[..., Any]) -> None:
    browser = opened()
    holder = browser.find_element("css selector", '[data-table="runs"]')
    first = cells(browser, "runs", "directory")
    back, on = holder.find_elements("css selector", ".pages button")
    assert not back.is_enabled()
    click(browser, on)
    second = cells(browser, "runs", "directory")
    assert len(first) + len(second) == 42
    assert not set(first) & set(second)
    assert not on.is_enabled()


def test_the_runs_of_a_group(opened: Callable[..., Any]) -> None:
    browser = opened()
    button = browser.find_element("css selector", '[data-table="groups"] tbody button')
    click(browser, button)
    assert button.get_attribute("aria-expanded") == "true"
    rows = browser.find_elements("css selector", '[data-table="groups"] tr.detail tbody tr')
    assert len(rows) == 3
    assert all("cross_entropy-adam-0.01-" in row.text for row in rows)
    click(browser, button)
    assert not browser.find_elements("css selector", "tr.detail")


def hover(browser: Any, figure: str, at: str, text: str = "") -> list[str]:
    """Move the mouse over a part of a figure, the first that holds the text; the texts that show."""
    from selenium.webdriver import ActionChains

    plot = browser.find_element("css selector", f'.plot[data-figure="{figure}"]')
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    target = until(lambda: [each for each in plot.find_elements("css selector", at) if text in each.text])[0]

    def shown() -> list[str]:
        ActionChains(browser).move_to_element(target).move_by_offset(1, 1).perform()
        texts = plot.find_elements("css selector", ".hoverlayer text")
        return [each.text for each in texts if each.text]

    return until(shown)


def test_hovering_over_a_cell_tells_the_interval(opened: Callable[..., Any]) -> None:
    browser = opened()
    (text,) = hover(browser, "heatmap", ".heatmap-label", "0.9530")
    assert "loss=cross_entropy optim=adam optim.lr=0.01" in text
    interval = re.search(r"0\.9530 \((0\.\d{4}) to (0\.\d{4})\), n = 3 seeds", text)
    assert interval is not None
    assert float(interval[1]) < 0.953 < float(interval[2])


def test_hovering_over_a_curve_tells_the_runs(opened: Callable[..., Any]) -> None:
    texts = " ".join(hover(opened(), "curves", ".scatterlayer .point"))
    assert "3 runs" in texts


def test_switches_change_the_figure(opened: Callable[..., Any]) -> None:
    browser = opened()
    draw_all(browser)
    plot = browser.find_element("css selector", '.plot[data-figure="curves"]')

    def titles() -> list[str]:
        return browser.execute_script(
            "return [arguments[0].layout.xaxis.title.text, arguments[0].layout.yaxis.title.text]", plot
        )

    assert titles() == ["epoch", "validation accuracy"]
    for value in ("time", "training", "loss"):
        radio = browser.find_element("css selector", f'#curves input[value="{value}"]')
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", radio)
    until(lambda: titles() == ["seconds of training", "training loss"])


def test_the_theme_can_be_chosen_and_is_kept(opened: Callable[..., Any], page: Path) -> None:
    browser = opened(scheme="light")
    draw_all(browser)
    background = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(background)
    button = browser.find_element("id", "theme")
    assert button.get_attribute("aria-label") == "Use dark colours"
    click(browser, button)
    assert browser.execute_script(background) != light
    plot = browser.find_element("css selector", '.plot[data-figure="curves"]')
    ink = browser.execute_script(
        "return getComputedStyle(document.documentElement).getPropertyValue('--ink').trim()"
    )
    assert ink == "#e6e9ed"
    until(lambda: browser.execute_script("return arguments[0].layout.font.color", plot) == ink)
    browser.get(page.as_uri())
    assert browser.execute_script("return document.documentElement.dataset.theme") == "dark"


def test_the_keyboard_reaches_everything(opened: Callable[..., Any]) -> None:
    from selenium.webdriver.common.keys import Keys

    browser = opened()
    body = browser.find_element("css selector", "body")
    body.send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "Skip to the result"
    seen = set()
    for _ in range(60):
        active = browser.switch_to.active_element
        active.send_keys(Keys.TAB)
        active = browser.switch_to.active_element
        outline = active.value_of_css_property("outline-style")
        if active.tag_name in ("a", "button", "input", "select"):
            inside = active.get_attribute("type") == "radio"
            shown = (
                active.find_element("xpath", "following-sibling::span").value_of_css_property("outline-style")
                if inside
                else outline
            )
            assert shown != "none", active.get_attribute("outerHTML")
        seen.add((active.tag_name, active.get_attribute("type")))
    assert {("a", ""), ("button", "button"), ("input", "search"), ("select", "select-one")} <= seen
    head = browser.find_element("css selector", '[data-table="groups"] thead button')
    head.send_keys(Keys.ENTER)
    assert head.find_element("xpath", "..").get_attribute("aria-sort") == "ascending"
    radio = browser.find_element("css selector", '#curves input[value="validation"]')
    radio.send_keys(Keys.ARROW_RIGHT)
    assert browser.find_element("css selector", '#curves input[value="training"]').is_selected()
    summary = browser.find_element("css selector", "#heatmap summary")
    summary.send_keys(Keys.ENTER)
    assert browser.find_element("css selector", "#heatmap details").get_attribute("open") is not None


def test_the_keyboard_hides_and_shows_what_a_legend_names(opened: Callable[..., Any]) -> None:
    from selenium.webdriver.common.keys import Keys

    browser = opened()
    browser.execute_script("document.querySelector('#curves').scrollIntoView()")
    entries = '#curves .legend .traces[role="checkbox"]'
    until(lambda: len(browser.find_elements("css selector", entries)) > 1)

    def shown() -> list[str]:
        return browser.execute_script(
            "return [...document.querySelector('#curves .plot').data].map((trace) => String(trace.visible))"
        )

    def hides(count: int) -> bool:
        return shown().count("legendonly") == count

    first = browser.find_elements("css selector", entries)[0]
    assert first.get_attribute("aria-label") in browser.find_element("css selector", "#curves .legend").text
    for key, expected in ((Keys.SPACE, 2), (Keys.ENTER, 0)):  # a line and its band
        browser.find_elements("css selector", entries)[0].send_keys(key)
        until(partial(hides, expected))
        focused = browser.execute_script("return document.activeElement.getAttribute('aria-checked')")
        assert focused == ("false" if expected else "true")


def test_what_cannot_be_seen_has_words(opened: Callable[..., Any]) -> None:
    browser = opened()
    without = browser.execute_script(
        """const named = (each) => each.getAttribute("aria-label") || each.textContent.trim() || each.title
             || each.labels?.[0]?.textContent;
           return [...document.querySelectorAll("button, a, input, select, [role=img], [role=region]")]
             .filter((each) => !each.closest(".modebar") && !named(each)).map((each) => each.outerHTML)"""
    )
    assert without == []
    assert browser.execute_script("return document.querySelectorAll('figure details table').length") >= 5
    assert browser.execute_script(
        "return [...document.querySelectorAll('table')]"
        ".every((each) => each.caption || each.closest('.detail'))"
    )
    assert len(browser.find_elements("css selector", ".images [role=img]")) == 2
    ids = browser.execute_script("return [...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))


def luminance(color: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast(opened: Callable[..., Any], scheme: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    browser = opened(scheme=scheme)
    colors = {
        name: browser.execute_script(
            "return getComputedStyle(document.documentElement).getPropertyValue(arguments[0]).trim()", name
        )
        for name in ("--ink", "--soft", "--accent", "--bad", "--card", "--page", "--zebra")
    }
    for ink in ("--ink", "--soft", "--accent", "--bad"):
        for paper in ("--card", "--page", "--zebra"):
            light, dark = sorted((luminance(colors[ink]), luminance(colors[paper])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, paper)


def test_hostile_text_is_shown_as_text(opened: Callable[..., Any]) -> None:
    browser = opened()
    draw_all(browser)
    assert HOSTILE in cells(browser, "groups", "loss")
    axis = browser.find_elements("css selector", '.plot[data-figure="heatmap"] .ytick')
    assert any("<script>" in each.text for each in axis)
    assert len(browser.find_elements("css selector", "script")) == 3
    assert not browser.find_elements("css selector", "img")


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_a_figure_can_be_saved(opened: Callable[..., Any], tmp_path: Path, suffix: str) -> None:
    browser = opened(scheme="dark")
    draw_all(browser)
    browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    button = browser.find_element("css selector", f'#heatmap button[data-format="{suffix}"]')
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].click()", button)
    file = tmp_path / f"heatmap.{suffix}"
    until(lambda: file.exists() and file.stat().st_size > 1000)
    assert file.read_bytes().startswith(b"<svg" if suffix == "svg" else b"\x89PNG")


def test_the_page_of_a_running_sweep_loads_itself_again(browser: Any, tmp_path: Path) -> None:
    for optim in ("adam", "sgd"):
        write_run(tmp_path / "s" / optim, config(optim=optim))
    browser.get(write_report([tmp_path / "s"], reload=3).page.as_uri())
    filter_rows = """
      const search = document.querySelector("input[type=search]");
      if (search) search.value = arguments[0];
      return search !== null && document.querySelector(".reload input:checked") !== null;"""
    until(lambda: browser.execute_script(filter_rows, "adam"))
    write_run(tmp_path / "s" / "late", config(optim="rmsprop"))
    write_report([tmp_path / "s"])
    time.sleep(3.5)
    subtitle = "return document.querySelector('h1 ~ p')?.textContent || ''"
    assert browser.execute_script(subtitle).startswith("2 runs")  # a reader who filters is not disturbed
    browser.execute_script(filter_rows, "")
    until(lambda: browser.execute_script(subtitle).startswith("3 runs"))
    assert not browser.find_elements("css selector", ".reload")  # the sweep has ended


def test_a_table_can_be_copied(opened: Callable[..., Any]) -> None:
    browser = opened()
    script = """
      window.copied = [];
      navigator.clipboard.writeText = (text) => {
        window.copied.push(text);
        return window.copied.length > 1 ? Promise.reject(new Error("not allowed")) : Promise.resolve();
      };"""
    browser.execute_script(script)
    buttons = browser.find_elements("css selector", "#table .tools button")
    assert [button.text for button in buttons] == ["Copy as Markdown", "Copy as LaTeX"]
    for button in buttons:
        click(browser, button)
    until(lambda: browser.find_elements("css selector", "#table textarea"))
    markdown, latex = browser.execute_script("return window.copied")
    assert markdown.startswith("| ")
    assert latex.startswith("\\begin{table}")
    shown = browser.find_element("css selector", "#table textarea")
    assert shown.get_attribute("value") == latex  # to be copied by hand
