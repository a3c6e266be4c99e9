"""Tables to copy: whatever the settings are called, Markdown and LaTeX show it and do nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
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
    "na\u00efve \u00fc \u00df \u2013 \u20ac \u00b5 \u03bb=1 \u0394 \u2265 \u2192",
)
COMMANDS = r"\\(?:text(?:backslash|asciitilde|asciicircum|less|greater|bar|emdash)|ldots)\{\}"
DOCUMENT = r"\documentclass{article}\usepackage{booktabs}\begin{document}\input{table}\end{document}"


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
        rest = re.sub(r"\\[{}$&#%_]|\{(?:[\[\]*?!'`]|'')\}|-\{\}-", "", rest)
        rest = re.sub(r"\$\\(?:lambda|Delta|geq|to|pm)\$", "", rest)
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


@pytest.mark.long
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="requires pdflatex, which compiles the table")
def test_pdflatex_compiles_the_table(analysis: Analysis, tmp_path: Path) -> None:
    (task,) = analysis.tasks
    (tmp_path / "table.tex").write_text(latex_table(task, analysis))
    (tmp_path / "paper.tex").write_text(DOCUMENT)
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "paper.tex"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert outcome.returncode == 0, outcome.stdout[-2000:]


def test_other_alphabets_ask_for_another_engine(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path / f"{seed}", config(seed=seed, model__name="\u65e5\u672c"), test=0.9)
    table = tables(analyse(collect([tmp_path])), "latex")
    assert ("xelatex or lualatex" in table.splitlines()[0]) == ("\u65e5" in table)


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
