"""MkDocs' hooks: the reference from the headers, and pages of the repository's files that pages name.

Undocumented public names, and links to files that are not there, are errors of the build.
"""
import logging
import os
import pathlib
import posixpath
import re
import sys

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import declarations  # noqa: E402
import reference  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENTRY_HEADERS = ["santa/santa.hpp", "santa/ranks/ranks.hpp", "santa/ranks/one_process.hpp", "santa/ranks/mpi.hpp",
                 "santa/ranks/nccl.hpp"]
LANGUAGES = {".cpp": "cpp", ".hpp": "cpp", ".py": "python", ".cmake": "cmake", ".txt": "text", ".sh": "sh",
             ".json": "json"}
LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")
TYPES = {}  # public types, and the folders that they are of
LOG = logging.getLogger("mkdocs.hooks.santa")


def glossary():
    """The glossary's page: CONTRIBUTING's section Words."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    section = re.search(r"^## Words\n(.*?)(?=^## )", text, re.M | re.S)
    if not section:
        raise PluginError("CONTRIBUTING.md has no section Words")
    return "# Glossary\n" + section.group(1)


def public_names():
    """All public names. Doxygen is named by the environment: DOXYGEN; it writes below DOXYGEN_OUTPUT."""
    include = ROOT / "include"
    output = pathlib.Path(os.environ["DOXYGEN_OUTPUT"])
    declarations.run_doxygen(os.environ.get("DOXYGEN", "doxygen"), ROOT / "docs/site/Doxyfile", include, output)
    names = declarations.public_names(output / "xml", include, ENTRY_HEADERS)
    bare = list(declarations.undocumented(names))
    if bare:
        raise PluginError("public names without a docstring:\n" + "\n".join(bare))
    return names


def repository_path(page, target):
    """The repository's path of what a page at <page> (relative to the root) links to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))


def source_of(uri):
    """Where a page of the site comes from, relative to the repository's root."""
    return uri[len("repository/"):-len(".source.md")] if uri.endswith(".source.md") else \
        uri[len("repository/"):] if uri.startswith("repository/") else "docs/" + uri


def page_of(path):
    """The page of the site that has a file of the repository."""
    if path.startswith("docs/"):
        return path[len("docs/"):]
    if path == "include/santa/santa.hpp":
        return "reference/index.md"
    if pathlib.PurePosixPath(path).suffix in (".md", ".svg", ".png"):
        return "repository/" + path
    return f"repository/{path}.source.md"


def rewritten(text, uri):
    """A page's text, with links into the repository as links to pages of the site."""
    source = source_of(uri)

    def replace(match):
        path = repository_path(source, match.group(2))
        if path.startswith("docs/") and source.startswith("docs/"):
            return match.group(0)
        return match.group(1) + posixpath.relpath(page_of(path), posixpath.dirname(uri) or ".") + match.group(3)
    return LINK.sub(replace, text)


def linked_files(text, source):
    """Files outside of docs/ that a page links to."""
    for match in LINK.finditer(text):
        path = repository_path(source, match.group(2))
        if not path.startswith("docs/"):
            yield path


def content_of(path):
    """A file of the repository as a page."""
    file = ROOT / path
    if file.is_dir():
        entries = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in file.iterdir())
        return f"# {path}\n\n" + "\n".join(f"- `{entry}`" for entry in entries)
    text = file.read_text()
    return text if file.suffix == ".md" else f"# {path}\n\n````{LANGUAGES.get(file.suffix, 'text')}\n{text}\n````\n"


def on_files(files, config):
    """Adds the pages that are made: the reference, the glossary, and what pages of docs/ link to outside of it."""
    names = public_names()
    TYPES.update((name.name, reference.folder_of(name)) for name in names if name.name[0].isupper())
    made = {"reference/" + path: text for path, text in reference.pages(names, declarations.CUSTOMARY).items()}
    made["glossary.md"] = glossary()
    todo = [(file.src_uri, file.content_string) for file in files if file.src_uri.endswith(".md")]
    while todo:
        uri, text = todo.pop()
        for path in linked_files(text, source_of(uri)):
            page = page_of(path)
            if page in made:
                continue
            if not (ROOT / path).exists():
                LOG.warning("%s: no such file as %s", uri, path)
                continue
            if page.endswith((".svg", ".png")):
                made[page] = None
                files.append(File.generated(config, page, abs_src_path=str(ROOT / path)))
                continue
            made[page] = content_of(path)
            if page.endswith(".md") and not page.endswith(".source.md"):
                todo.append((page, made[page]))
    for page, text in made.items():
        if text is not None:
            files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links to files of the repository become links to their pages, and names of types links to the reference."""
    uri = page.file.src_uri
    if uri.startswith("reference/") or uri.endswith(".source.md"):
        return markdown
    if not uri.startswith("repository/"):
        markdown = reference.link_names(markdown, TYPES, "", "reference/")
    return rewritten(markdown, uri)
