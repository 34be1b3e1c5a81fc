"""Public names of the headers: their declarations by Doxygen's XML, their docstrings as the headers have them."""
import dataclasses
import pathlib
import re
import subprocess
import xml.etree.ElementTree

PRIVATE_SPACES = ("detail", "lanes", "build")


@dataclasses.dataclass
class Name:
    """A public name at namespace scope, or a public member of a class."""

    name: str
    kind: str
    file: str  # relative to the include folder
    line: int
    declaration: str
    docstring: list
    members: list = dataclasses.field(default_factory=list)


def included(include, first):
    """Headers of the library that the given ones bring in, themselves among them."""
    found, todo = set(), list(first)
    while todo:
        header = todo.pop()
        if header in found:
            continue
        found.add(header)
        text = (include / header).read_text()
        todo += re.findall(r"#include <(santa/[^>]+)>", text)
    return found


def run_doxygen(doxygen, doxyfile, include, output):
    """Writes XML of all headers below `include` into <output>/xml."""
    output.mkdir(parents=True, exist_ok=True)
    settings = doxyfile.read_text() + f'\nINPUT = "{include}"\nOUTPUT_DIRECTORY = "{output}"\n'
    # Its warnings are about the text of docstrings, which it is not asked for.
    subprocess.run([doxygen, "-"], input=settings, text=True, check=True, stderr=subprocess.DEVNULL)


def comment_above(lines, line):
    """The comment that ends directly above a declaration, which may begin above `line` (from 1)."""
    above = line - 2
    while above >= 0 and re.match(r"\s*(template\b|requires\b|\[\[|friend\b|[^/\s].*[,>)&|]$|explicit\b)", lines[above]):
        if lines[above].rstrip().endswith((";", "}", "{")):
            break
        above -= 1
    last = above
    indent = re.match(r"\s*", lines[last + 1]).group(0)  # deeper ones go on with what stands behind the line above
    while above >= 0 and re.match(indent + "//", lines[above]):
        above -= 1
    return [re.sub(r"^\s*///?<? ?", "", text).rstrip() for text in lines[above + 1:last + 1]]


def docstring(lines, line):
    """The comment of a declaration: above it, behind it, or above the run of lines that it is in."""
    text = comment_above(lines, line)
    if text:
        return text
    behind = re.search(r"[;,{}]\s*//+<? ?(.*)$", lines[line - 1])
    if behind:
        text = [behind.group(1).rstrip()]
        for more in lines[line:]:
            if not re.match(r"\s{8,}//", more):
                break
            text.append(re.sub(r"^\s*//+ ?", "", more).rstrip())
    return text


def declaration(lines, line, kind):
    """The source of a declaration: without a body, but for enumerations."""
    begin = line - 1
    while begin > 0 and re.match(r"\s*(template\b|requires\b|[^/\s#].*[,>)&|]$)", lines[begin - 1]) and \
            not re.search(r"[;{}]\s*$", lines[begin - 1]):
        begin -= 1
    indent = len(lines[begin]) - len(lines[begin].lstrip())
    text = "\n".join(source[indent:] if not source[:indent].strip() else source.strip()
                     for source in lines[begin:begin + 60])
    text = re.sub(r"(\bKOKKOS_(FORCEINLINE_|INLINE_)?FUNCTION\b|\[\[nodiscard\]\]) ?", "", text)
    if kind == "enum":
        return text[:text.index("}") + 1] + ";"
    depth = 0
    for i, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        body = letter == "{" and kind not in ("variable", "typedef")
        members = letter == ":" and text[i - 1:i + 2] == " : " and kind == "function"
        if depth == 0 and (letter == ";" or body or members):
            return text[:i].rstrip() + ";"
    return text.splitlines()[0]


class Reader:
    """Reads public names out of Doxygen's XML."""

    def __init__(self, xml, include, headers):
        self.xml, self.include, self.headers = xml, include, headers
        self.sources = {}

    def lines(self, file):
        """Lines of a header."""
        if file not in self.sources:
            self.sources[file] = (self.include / file).read_text().splitlines()
        return self.sources[file]

    def place(self, element):
        """(file, line) of an element, or None where it is in no public header."""
        location = element.find("location")
        if location is None:
            return None
        file, line = location.get("file"), int(location.get("line"))
        if "santa/" not in file:
            return None
        file = str(pathlib.Path(file).resolve().relative_to(self.include.resolve()))
        return (file, line) if file in self.headers else None

    def named(self, element, kind, name):
        """A Name of an element, or None."""
        place = self.place(element)
        if place is None:
            return None
        place = self.first_told(kind, name, place)
        lines = self.lines(place[0])
        return Name(name, kind, *place, declaration(lines, place[1], kind), docstring(lines, place[1]))

    def first_told(self, kind, name, place):
        """The declaration that has the docstring, where Doxygen took another one of the same name."""
        if docstring(self.lines(place[0]), place[1]):
            return place
        if kind in ("class", "struct"):
            pattern, files = rf"(class|struct) {name}\b(?! *<)", sorted(self.headers)
        else:
            pattern, files = rf"[\w>&] {name}\(", [place[0]]
        for file in files:
            for i, line in enumerate(self.lines(file)):
                if re.match(pattern, line) or kind == "function" and re.match(r"\S.*" + pattern, line):
                    if docstring(self.lines(file), i + 1):
                        return file, i + 1
        return place

    def members(self, compound):
        """Public members that a user calls or sets: constructors, functions and data, without operators."""
        short = compound.find("compoundname").text.split("::")[-1].split("<")[0].strip()
        found = []
        for section in compound.findall("sectiondef"):
            if not section.get("kind").startswith("public"):
                continue
            for member in section.findall("memberdef"):
                name = member.find("name").text
                kind = member.get("kind")
                if kind not in ("function", "variable") or name.startswith(("operator", "~")):
                    continue
                own = self.named(member, kind, name)
                if own and name == short:
                    own.kind = "constructor"
                if own and own.kind != "constructor" or own and "(" in own.declaration and "default" not in \
                        self.lines(own.file)[own.line - 1] and f"const {short}&" not in own.declaration:
                    found.append(own)
        return sorted((member for member in found if member), key=lambda member: (member.file, member.line))

    def compounds(self):
        """Classes, structs and concepts."""
        found = {}
        for path in sorted(self.xml.glob("*santa_1_1*.xml")):
            compound = xml.etree.ElementTree.parse(path).getroot().find("compounddef")
            kind, name = compound.get("kind"), compound.find("compoundname").text
            spaces = name.split("<")[0].split("::")
            if kind not in ("class", "struct", "concept") or len(spaces) != 2:
                continue
            one = self.named(compound, kind, spaces[1].strip())
            if one is None:
                continue
            one.members = self.members(compound)
            # What is specialised for the only types that it is for is told of where it is declared first.
            if "<" not in name:
                found[one.name] = one
            elif one.name in found and not found[one.name].members:
                found[one.name].members = one.members
        return list(found.values())

    def functions(self):
        """Functions, enumerations, types and constants of the namespace itself."""
        space = xml.etree.ElementTree.parse(self.xml / "namespacesanta.xml").getroot()
        for member in space.iter("memberdef"):
            found = self.named(member, member.get("kind"), member.find("name").text)
            if found:
                yield found


def public_names(xml, include, first):
    """All public names, by file and line; what a class's deduction guides are named is the class."""
    reader = Reader(xml, include, included(include, first))
    classes = list(reader.compounds())
    taken = {name.name for name in classes}
    others = [name for name in reader.functions() if name.name not in taken]
    return sorted(classes + others, key=lambda name: (name.file, name.line))


# What members are that many types have: said once.
CUSTOMARY = {
    "addresses": "Where the rows lie, for kernels; checked.",
    "all_gather": "Collects a block of bytes of every rank: see `Communicator`.",
    "apply": "The modified score, in log2 units: see `ScoreModifier`.",
    "batch": "Number of requests.",
    "bits": "The bits themselves.",
    "choose": "For kernels: chooses features by the queries of a unit.",
    "find_variance": "For kernels: what the choice adds to the variance of scores.",
    "of_square": "For kernels: the kernel at t = |x - y|^2, see `RadialKernel`.",
    "slopes": "For kernels: with its derivatives, see `SmoothKernel`.",
    "feature_keys": "The copy of the keys by features.",
    "scales": "The scales themselves.",
    "check": "Throws std::invalid_argument for options that can't be: name, given, accepted.",
    "plan": "The plan that it runs.",
    "choice": "The policy that chooses features.",
    "clusters": "The clusters beside the cache.",
    "data": "The memory itself, or null.",
    "dim": "Number of features.",
    "first": "What comes first.",
    "full": "The cache itself.",
    "given": "Whether one was given: made by its constructor with arguments.",
    "has_lengths": "Whether requests have lengths; if not, each fills the storage.",
    "heads": "Number of query heads.",
    "is_fresh": "Whether no step was taken yet.",
    "layout": "The order of the extents.",
    "length_data": "The lengths, for kernels.",
    "lengths": "Valid keys of each request: [batch].",
    "narrow": "The narrow copy of the keys.",
    "note_step": "Called by plans: a step was taken.",
    "rank": "The number of this rank, from 0.",
    "requests": "[batch] identities, by which random numbers are told apart; default: the batch index.",
    "rows": "How many rows are read, or which.",
    "samples": "Number of draws of each query head, 1 or more.",
    "second": "What comes second.",
    "seed": "Names the random numbers of a run.",
    "shape": "The extents, checked.",
    "size": "How many there are.",
    "space": "The memory space.",
    "step": "The decode step, 0 to 2^32 - 1: each draws by numbers of its own.",
    "stream": "Usually the layer, 0 to 65535: streams draw independently.",
    "table": "The pages of each request.",
    "tile": "Keys that are drawn among at once: 32, 64 or 256.",
    "weights": "What each drawn row counts for.",
    "what": "The error's text.",
    "window": "How many of the last keys of a request are visible.",
    "workspace_bytes": "Bytes of memory that the plan works in.",
}


def told_by(owner, name):
    """True if the class's own docstring has the member's name as a word."""
    return re.search(rf"\b{re.escape(name)}\b", " ".join(owner.docstring)) is not None


def undocumented(names):
    """'file:line name' of all that has no docstring. Overloads may share one; of a member it is
    enough that its class's docstring names it."""
    told = {name.name for name in names if name.docstring}
    for name in names:
        if name.name not in told:
            yield f"{name.file}:{name.line} {name.name}"
        members = {member.name for member in name.members if member.docstring}
        for member in name.members:
            if member.kind != "constructor" and member.name not in members and member.name not in CUSTOMARY and not told_by(name, member.name):
                yield f"{member.file}:{member.line} {name.name}::{member.name}"
