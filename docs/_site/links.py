"""MkDocs hook: links lead to the same files in the site as in the repository.

Pages link to files by their paths in the repository. A linked file outside docs/ becomes a page of
the site: Markdown as it is, other text in a code block, a directory as a list. Tables (CSV) are
copied. So the site is complete without a server for the repository.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"(?<=\]\()([^)#\s]+)")
INTRODUCTION = "<!-- The site shows the introduction of README.md here. -->"
LANGUAGES = {".py": "python"}

_paths: dict[str, str] = {}  # path in the site -> path in the repository, of Markdown pages


def place(path: str) -> str:
    """Path in the site of a file of the repository."""
    if path == "README.md":
        return "index.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return path if path.endswith((".md", ".csv")) else f"{path}.md"


def resolved(link: str, path: str) -> str | None:
    """The file of the repository that a link of the page `path` leads to."""
    if ":" in link:
        return None
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    return target if (ROOT / target).exists() else None


def relinked(text: str, path: str, shown_in: str) -> str:
    """Text of the file `path`, with links that are right for the page `shown_in` of the site."""

    def link(match: re.Match) -> str:
        target = resolved(match[0], path)
        return posixpath.relpath(place(target), posixpath.dirname(shown_in)) if target else match[0]

    return LINK.sub(link, text)


def code_page(path: str) -> str:
    """A page with a text file, or with the names of a directory's files."""
    file = ROOT / path
    if file.is_dir():
        text = "\n".join(sorted(p.name for p in file.iterdir() if p.name[0] not in "._"))
    else:
        text = file.read_text(encoding="utf-8").rstrip()
    fence = "`" * 6
    head = f"---\nsearch:\n  exclude: true\n---\n\n# {path}\n"
    return f"{head}\n{fence}{LANGUAGES.get(file.suffix, 'text')}\n{text}\n{fence}\n"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the files that pages link to, and those that these link to."""
    _paths.clear()
    pages = ["README.md", *(f"docs/{page.src_uri}" for page in files.documentation_pages())]
    for path in pages:  # grows
        _paths.setdefault(place(path), path)
        text = (ROOT / path).read_text(encoding="utf-8")
        for target in filter(None, (resolved(link, path) for link in LINK.findall(text))):
            uri = place(target)
            if files.get_file_from_path(uri):
                continue
            content: dict[str, str] = {"abs_src_path": str(ROOT / target)}
            if uri == target and uri.endswith(".md"):
                pages.append(target)
            elif uri != target:
                content = {"content": code_page(target)}
            level = InclusionLevel.NOT_IN_NAV
            files.append(File.generated(config, uri, **content, inclusion=level))
    return files


def on_page_markdown(markdown: str, page: Page, **_) -> str:
    """Rewrites the links of a page."""
    uri = page.file.src_uri
    if uri not in _paths:
        return markdown
    markdown = relinked(markdown, f"docs/{uri}" if uri == "index.md" else _paths[uri], uri)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    introduction = readme.partition("\n")[2].partition("\n## The papers")[0]
    return markdown.replace(INTRODUCTION, relinked(introduction, "README.md", uri))
