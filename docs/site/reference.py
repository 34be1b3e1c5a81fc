"""Pages of the reference, in Markdown, one for each folder of headers."""
import re

# What a folder of include/santa/ is about; the ones of the lanes and the schedule are for those who add a backend.
FOLDERS = {
    "decode": "Plans, runs and their options",
    "cache": "Caches, their elements and copies of keys",
    "sample": "Methods: what draws rows",
    "score": "Score modifiers and choices of features",
    "clusters": "Clusters of keys",
    "merge": "States that are kept and merged",
    "rows": "The stages by themselves, on rows of any kind",
    "token": "Tokens: the sampler and drafts",
    "ranks": "Ranks: what several devices or processes share",
    "core": "Shapes, elements, statistics",
    "random": "Random numbers",
    "lanes": "Which kernels are compiled",
    "schedule": "Units of work",
    "gather": "Sums of drawn rows",
}
# What a page begins with; others follow in the order of their headers.
FIRST = ["DecodePlan", "PlanOptions", "RunOptions", "decode", "ContiguousCache", "PagedCache", "MassUnitOf", "MassUnit",
         "DecodeState", "ClusterPlan", "Clusters", "DrawPlan", "ResamplePlan", "TokenSampler", "ShardedPlan", "Shape",
         "Statistics"]
LABEL = r"[A-Z][a-z]+(?: by)?"
# Labels that formatting has moved into a line.
INNER = r"Bytes|Cache|Computes|Errors|Exchanges|Layout|Memory|Order|Random|Requires|Shapes|Source|Units|Variance"


def escaped(text):
    """Text of a docstring as Markdown: all but code between backticks is to be read as it stands."""
    parts = re.split(r"(`[^`]*`)", text)
    for i in range(0, len(parts), 2):
        parts[i] = re.sub(r"([\\*_\[\]#|])", r"\\\1", parts[i]).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(parts)


def paragraphs(docstring):
    """A docstring's blocks: ('text' | 'section' | 'item', title, text). Sections begin by 'Errors:', items are indented
    by two, 'name  what it is'."""
    blocks = []
    for line in docstring:
        line = re.sub(rf"(?<=[.;)]) (?=(?:{INNER}): |{LABEL}: {{2,}}\S)", "\n", line)
        for piece in line.split("\n"):
            section = re.match(rf"({LABEL}):\s+(.*)$", piece)
            item = re.match(r"  (\S.*?)\s{2,}(\S.*)$", piece)
            if not piece.strip():
                blocks.append(["text", "", ""])
            elif section:
                blocks.append(["section", section.group(1), section.group(2)])
            elif item and (not blocks or blocks[-1][0] != "section"):
                blocks.append(["item", item.group(1), item.group(2)])
            elif piece.startswith("- "):
                blocks.append(["bullet", "", piece[2:]])
            elif blocks and not (blocks[-1][0] == "item" and not piece.startswith("  ")):
                blocks[-1][2] += " " + piece.strip()
            else:
                blocks.append(["text", "", piece.strip()])
    return [block for block in blocks if block[2].strip()]


def rendered(docstring):
    """A docstring as Markdown."""
    text, before = [], ""
    for kind, title, body in paragraphs(docstring):
        body = escaped(body.strip())
        if kind == "section":
            line = f"**{title}:** {body}"
        elif kind == "item":
            line = f"- `{title}`: {body}"
        elif kind == "bullet":
            line = f"- {body}"
        else:
            line = body
        together = kind == before and kind in ("item", "bullet")
        text.append(line if together else "\n" + line)
        before = kind
    return "\n".join(text).strip()


def first_sentence(docstring):
    """What a list of names says of one."""
    blocks = paragraphs(docstring)
    return escaped(re.split(r"(?<=[^.\d])\.(?:\s|$)", blocks[0][2].strip())[0]) if blocks else ""


def grouped(names):
    """Names of a list by name, in its order: overloads together."""
    groups = {}
    for name in names:
        groups.setdefault(name.name, []).append(name)
    return groups


def told(member, customary):
    """What is said of a member."""
    return rendered(member.docstring) or customary.get(member.name, "")


def short_table(members, customary):
    """Members that a line is enough for: data, and functions without a docstring of their own."""
    lines = ["| member | |", "|---|---|"]
    for member in members:
        declared = " ".join(member.declaration.rstrip(";").split()).replace("|", "\\|")
        lines.append(f"| `{declared}` | {told(member, customary).replace(chr(10), ' ')} |")
    return lines + [""]


def member_lines(owner, customary):
    """A class's members: constructors, a table of those that are told in a line, functions by themselves."""
    lines = []
    for member in owner.members:
        if member.kind == "constructor":
            lines += ["```cpp", member.declaration, "```\n", rendered(member.docstring) + "\n"]
    functions = grouped(member for member in owner.members if member.kind == "function")
    long = {name: members for name, members in functions.items() if any(member.docstring for member in members)}
    short = [member for member in owner.members if member.kind != "constructor" and member.name not in long]
    if short:
        lines += short_table(short, customary)
    for name, members in long.items():
        lines.append(f"### `{owner.name}::{name}` {{ #{owner.name.lower()}-{name.lower()} }}\n")
        for member in members:
            lines += ["```cpp", member.declaration, "```\n", rendered(member.docstring) + "\n"]
    return lines


def page(folder, names, customary):
    """A folder's page."""
    lines = [f"# {FOLDERS[folder]}\n", f"`include/santa/{folder}`\n"]
    for name, group in grouped(names).items():
        lines.append(f"## `{name}` {{ #{name.lower()} }}\n")
        for one in group:
            lines.append(f"<small>`#include <{one.file}>`</small>\n")
            lines += ["```cpp", one.declaration, "```\n"]
            if one.docstring:
                lines.append(rendered(one.docstring) + "\n")
            lines += member_lines(one, customary)
    return "\n".join(lines)


def link_names(text, where, here, below=""):
    """Names between backticks as links to where they are told of, outside of code blocks and headings. `below`: where
    the reference's pages are, seen from this one."""
    out, code = [], False
    for line in text.split("\n"):
        if line.startswith("```"):
            code = not code
        if not code and not line.startswith(("#", "```", "<")):
            line = re.sub(r"(?<![\[`])`(?:santa::)?(\w+)`(?!`)", lambda m: linked(m, where, here, below), line)
        out.append(line)
    return "\n".join(out)


def linked(match, where, here, below):
    """A link in the place of a name, if it is a public one of another heading."""
    folder = where.get(match.group(1))
    if folder is None:
        return match.group(0)
    page_of = "" if folder == here else f"{below}{folder}.md"
    return f"[{match.group(0)}]({page_of}#{match.group(1).lower()})"


def folder_of(name):
    """The folder that a name is declared in."""
    return name.file.split("/")[1]


def pages(names, customary):
    """{path below reference/: Markdown} of all public names."""
    where = {name.name: folder_of(name) for name in names}
    made = {}
    index = ["# Reference\n", "All public names, from the docstrings of the headers; `#include <santa/santa.hpp>` brings them"
             " all but ranks, which have headers of their own.\n"]
    for folder in FOLDERS:
        own = [name for name in names if folder_of(name) == folder]
        own.sort(key=lambda name: FIRST.index(name.name) if name.name in FIRST else len(FIRST))
        if not own:
            continue
        made[f"{folder}.md"] = link_names(page(folder, own, customary), where, folder)
        index += [f"## [{FOLDERS[folder]}]({folder}.md)\n", "| name | |", "|---|---|"]
        for name, group in grouped(own).items():
            text = next((first_sentence(one.docstring) for one in group if one.docstring), "")
            index.append(f"| [`{name}`]({folder}.md#{name.lower()}) | {text} |")
        index.append("")
    made["index.md"] = "\n".join(index)
    return made
