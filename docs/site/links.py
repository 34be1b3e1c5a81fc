"""Links of pages into the repository, as links to pages of the site.

Pages of docs/ keep their names. A page that is linked to from elsewhere in the repository is below repository/, and a
source file is a page that shows it.
"""
import pathlib
import posixpath
import re

LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)\s]*)?\))")


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
