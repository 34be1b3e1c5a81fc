"""MkDocs' hooks: the reference from the headers, and pages of the repository's files that pages name.

Undocumented public names, and links to files that are not there, are errors of the build.
"""
import logging
import os
import pathlib
import re
import sys

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File
from mkdocs.utils import get_relative_url

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import declarations  # noqa: E402
import reference  # noqa: E402
from links import linked_files, page_of, rewritten, source_of  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENTRY_HEADERS = ["santa/santa.hpp", "santa/ranks/ranks.hpp", "santa/ranks/one_process.hpp", "santa/ranks/mpi.hpp",
                 "santa/ranks/nccl.hpp"]
LANGUAGES = {".cpp": "cpp", ".hpp": "cpp", ".py": "python", ".cmake": "cmake", ".txt": "text", ".sh": "sh",
             ".json": "json"}
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


def content_of(path):
    """A file of the repository as a page."""
    file = ROOT / path
    if file.is_dir():
        entries = sorted(entry.name + ("/" if entry.is_dir() else "") for entry in file.iterdir())
        return f"# {path}\n\n" + "\n".join(f"- `{entry}`" for entry in entries)
    text = file.read_text()
    return text if file.suffix == ".md" else f"# {path}\n\n````{LANGUAGES.get(file.suffix, 'text')}\n{text}\n````\n"


def named(nav):
    """Pages that a navigation names."""
    if isinstance(nav, str):
        return {nav}
    return set().union(*map(named, nav.values() if isinstance(nav, dict) else nav), set())


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
    # Pages of docs/ that the navigation does not name yet stand at its end.
    others = {file.src_uri for file in files.documentation_pages()} - named(config["nav"])
    if others:
        config["nav"].append({"More": sorted(others)})
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


def offline(output, url):
    """The search of pages that are read as files needs a script, which is not to come from elsewhere."""
    return output.replace("https://unpkg.com/iframe-worker/shim", get_relative_url("site/file_worker.js", url))


def on_post_page(output, page, config):
    return offline(output, page.url)


def on_post_template(output_content, template_name, config):
    return offline(output_content, template_name)


def on_post_build(config):
    """Nothing that a page shows or runs comes from elsewhere: the site works offline."""
    for path in pathlib.Path(config["site_dir"]).rglob("*.html"):
        elsewhere = re.search(r"<(?:script|img|link|iframe)[^>]* (?:src|href)=\"?(?:https?:)?//[^>]*>", path.read_text())
        if elsewhere:
            raise PluginError(f"{path}: not of this site: {elsewhere.group(0)}")
