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


def site_file(path: str, config: MkDocsConfig) -> File:
    """The file of the site that shows a file outside docs/."""
    uri = place(path)
    source = {"abs_src_path": str(ROOT / path)} if uri == path else {"content": code_page(path)}
    return File.generated(config, uri, inclusion=InclusionLevel.NOT_IN_NAV, **source)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the files that pages link to, and those that these link to."""
    _paths.clear()
    _paths.update({page.src_uri: f"docs/{page.src_uri}" for page in files.documentation_pages()})
    pages = ["README.md", *_paths.values()]
    for path in pages:  # grows
        text = (ROOT / path).read_text(encoding="utf-8")
        for target in filter(None, (resolved(link, path) for link in LINK.findall(text))):
            if not files.get_file_from_path(place(target)):
                files.append(site_file(target, config))
                if target.endswith(".md"):
                    _paths[target] = target
                    pages.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, **_) -> str:
    """Rewrites the links of a page, and adds the introduction of README.md to the first page."""
    uri = page.file.src_uri
    if uri not in _paths:
        return markdown
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    introduction = readme.partition("\n")[2].partition("\n## The papers")[0]
    return relinked(markdown, _paths[uri], uri).replace(
        INTRODUCTION, relinked(introduction, "README.md", uri)
    )
