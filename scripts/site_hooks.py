"""Hooks of the documentation site (`mkdocs.yml`): pages made from files outside docs/, and the offline check.

The README is the site's front page, and each package of `src/abreast` has a page of API reference, so that
nothing is written twice and no package can be missing.
"""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PACKAGES = ROOT / "src" / "abreast"
# What most readers look for comes first: the components that a configuration names.
COMPONENTS = ("losses", "models", "optim", "data", "metrics", "callbacks", "loggers")
PAGES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
}
# A tag that makes the browser load something, with an address on another host.
LOADS = re.compile(
    r"<(?:script|link|img|iframe|source|video|object|embed)\b[^>]*?\b(?:src|href|data)=[\"']?(https?:)?//[^>]*>"
)
STYLE_LOADS = re.compile(r"(?:url\(|@import\s)\s*[\"']?(?:https?:)?//[^)\"';]*")

log = logging.getLogger("mkdocs.hooks.site")


def packages() -> list[str]:
    """The packages of `abreast`, components first."""
    names = sorted(path.parent.name for path in PACKAGES.glob("*/__init__.py"))
    assert set(COMPONENTS) <= set(names)
    return [*COMPONENTS, *(name for name in names if name not in COMPONENTS)]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the API reference to the navigation."""
    assert config.nav is not None
    pages = [{"Overview": "api/index.md"}, *({name: f"api/{name}.md"} for name in packages())]
    config.nav.append({"API": pages})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for uri, name in PAGES.items():
        text = relink((ROOT / name).read_text())
        if uri == "index.md":
            text = f"---\nhide: [navigation]\n---\n{text}"
        files.append(File.generated(config, uri, content=text))
    lines = [
        "# API reference",
        "",
        "Components that a configuration names come first; the others follow by name.",
        "",
    ]
    for name in packages():
        options = "show_root_heading: false, show_root_toc_entry: false"
        if "__all__" in (PACKAGES / name / "__init__.py").read_text():
            options += ", show_submodules: false"  # what it exports is shown, and not once more at its module
        text = f"# `abreast.{name}`\n\n::: abreast.{name}\n    options: {{{options}}}\n"
        files.append(File.generated(config, f"api/{name}.md", content=text))
        lines.append(f"- [`abreast.{name}`]({name}.md): {summary(name)}")
    files.append(File.generated(config, "api/index.md", content="\n".join(lines) + "\n"))
    for path in sorted(Path(config.docs_dir).glob("*.ipynb")):
        files.append(File.generated(config, f"{path.stem}.md", content=notebook_page(path)))
    return files


def notebook_page(path: Path) -> str:
    """A notebook as a page: its text, its code, and what the code printed and showed."""
    parts = []
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        parts += map(_output, cell.get("outputs", ()))
    first, *others = parts
    return "\n\n".join([first, f"[The notebook itself]({path.name}){{ download }}", *others]) + "\n"


def _output(output: dict[str, Any]) -> str:
    data = output.get("data", {})
    if "text/html" in data:
        shown = "".join(data["text/html"])
        return f'<div class="notebook-output">{" ".join(shown.split())}</div>'
    text = "".join(output.get("text", data.get("text/plain", "")))
    return f"```text\n{text.rstrip()}\n```"


def relink(text: str) -> str:
    """The text of a page at the repository's root, with links that hold within docs/."""
    text = text.replace("](docs/", "](").replace('src="docs/', 'src="')
    for page, name in PAGES.items():
        text = text.replace(f"]({name})", f"]({page})")
    return text


def on_page_markdown(markdown: str, /, **_: object) -> str:
    """Turn links from docs/ to pages at the root of the repository into links within the site."""
    for page, name in PAGES.items():
        markdown = markdown.replace(f"](../{name})", f"]({page})")
    return re.sub(r"\]\((\w+)\.ipynb\)(?!{)", r"](\1.md)", markdown)


def summary(package: str) -> str:
    """The first line of the package's docstring."""
    text = (PACKAGES / package / "__init__.py").read_text()
    return text.removeprefix('"""').partition("\n")[0].removesuffix('"""')


def on_post_build(config: MkDocsConfig) -> None:
    """Warn, which is an error in strict mode, about everything that a page would load from another host."""
    pages = sorted(Path(config.site_dir).rglob("*.html"))
    assert pages
    for path in (*pages, *Path(config.site_dir).rglob("*.css")):
        pattern = STYLE_LOADS if path.suffix == ".css" else LOADS
        for match in pattern.finditer(path.read_text()):
            log.warning(
                "%s loads from another host: %s", path.relative_to(config.site_dir), match.group()[:200]
            )
