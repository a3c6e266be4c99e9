"""Tables to copy: whatever the settings are called, Markdown and LaTeX show it and do nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from abreast.cli.report import main
from abreast.report.analysis import analyse
from abreast.report.collect import collect
from abreast.report.groups import Analysis
from abreast.report.markup import latex, latex_table, markdown, markdown_table, tables
from abreast.runs.files import REPORT_LATEX, REPORT_MARKDOWN
from support.report_runs import config, write_run

HOSTILE = (
    r"\input{/etc/passwd}",
    "a & b | c \\",
    "<img src=x onerror=alert(1)> &lt; [x](javascript:1) ![y](http://z)",
    "**bold** _it_ ~~no~~ `code` $x^2$ #1 %",
    "[8, 4] -- *",
    "http://example.org www.example.org",
    "?` !` << >> '' \" ^ ~",
    "line\nbreak\x1b[2J\u202e",
)
COMMANDS = r"\\(?:text(?:backslash|asciitilde|asciicircum|less|greater|bar|quotedbl|emdash)|ldots)\{\}"


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("markup")
    for number, name in enumerate(HOSTILE):
        for seed in (0, 1):
            run = config(seed=seed, model__name=name)
            write_run(folder / f"{number}-{seed}", run, test=0.9 - number / 50 + seed / 100)
    return folder


@pytest.fixture(scope="module")
def analysis(sweep: Path) -> Analysis:
    return analyse(collect([sweep]))


def shown(text: str) -> str:
    return "".join(character if character.isprintable() else "�" for character in text)


def test_markdown_shows_the_names(analysis: Analysis) -> None:
    (task,) = analysis.tasks
    parser = MarkdownIt("gfm-like", {"html": True, "linkify": False}).enable("table")
    tokens = parser.parse(markdown_table(task, analysis))
    inlines = [token for token in tokens if token.type == "inline"]
    kinds = {child.type for token in inlines for child in token.children or ()}
    assert kinds <= {"text", "text_special"}
    texts = ["".join(child.content for child in token.children or ()) for token in inlines]
    assert {shown(name) for name in HOSTILE} <= set(texts)
    assert not re.search(r"(?<!\\)//|www\.", markdown(HOSTILE[5]))  # GitHub would make links of them
    rows = [line for line in markdown_table(task, analysis).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(HOSTILE)
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1


def test_latex_has_no_command_of_a_name(analysis: Analysis) -> None:
    for name in HOSTILE:
        rest = re.sub(COMMANDS, "", latex(name))
        rest = re.sub(r"\\[{}$&#%_]|\{[\[\]*?!'`]\}|-\{\}-", "", rest)
        assert not re.search(r"[\\{}$&#%_^~<>|\"\n]|--", rest), (name, rest)
    text = latex_table(analysis.tasks[0], analysis)
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")].splitlines()[1:]
    assert len(body) == len(HOSTILE)
    head = text.splitlines()[text.splitlines().index(r"\toprule") + 1]
    for line in [head, *body]:
        assert line.endswith(r" \\")
        assert len(re.findall(r"(?<!\\)&", line)) == len(re.findall(r"(?<!\\)&", head))
        assert not line.startswith(("[", "*"))  # which would belong to the line break before it
    assert re.search(r"\$-0\.0\d+\$", text)


def test_the_command_writes_and_prints_them(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for markup, name in (("markdown", REPORT_MARKDOWN), ("latex", REPORT_LATEX)):
        assert main([str(sweep), "--format", markup]) == 0
        printed = capsys.readouterr().out
        assert printed == (sweep / "report" / name).read_text() == tables(analyse(collect([sweep])), markup)  # type: ignore[arg-type]
    page = (sweep / "report" / "report.html").read_text()
    assert '"copies":{"Markdown":' in page


def test_with_several_data_sets_each_table_has_its_title(tmp_path: Path) -> None:
    for data in ("mnist", "digits"):
        for optim in ("adam", "sgd"):
            write_run(tmp_path / f"{data}{optim}", config(data=data, optim=optim))
    text = tables(analyse(collect([tmp_path])), "markdown")
    assert text.count("**data=") == 2
