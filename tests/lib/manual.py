"""Manual pages as a reader sees them: rendered by mandoc and by groff, which man-db runs. What tests run is taken
from what both show, never from the source."""

import os
import re
import subprocess
import textwrap

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
# groff 1.23 indents by 7 columns and justifies, unless told otherwise.
RENDERERS = {
    "mandoc": ["mandoc", "-T", "utf8", "-O", "width=78"],
    "groff": ["groff", "-mandoc", "-Tutf8", "-rLL=78n", "-rIN=5n", "-dAD=l", "-P-c"],
}


def path(page):
    return os.path.join(ROOT, "man", page)


def pages():
    return sorted(os.listdir(os.path.join(ROOT, "man")))


def source(page):
    with open(path(page), encoding="utf-8") as f:
        return f.read()


def rendered(page, renderer="mandoc"):
    r = subprocess.run([*RENDERERS[renderer], path(page)], capture_output=True, text=True, check=True)
    return re.sub(r".\x08", "", r.stdout)


def section(text, name):
    """The lines of a section, its heading left out."""
    lines = text.split("\n")
    start = lines.index(name) + 1
    end = next((n for n in range(start, len(lines)) if re.match(r"\S", lines[n])), len(lines))
    return lines[start:end]


def indent(line):
    return len(line) - len(line.lstrip())


def blocks_of(text, name):
    """What stands in a section further in than text does."""
    found, block = [], []
    body = indent(section(text, "NAME")[0])
    for line in [*section(text, name), "x"]:
        inside = indent(line) > body
        if inside or (not line.strip() and block):
            block.append(line)
        elif block:
            found.append(textwrap.dedent("\n".join(block)).strip("\n"))
            block = []
    return found


def displays(page, name="EXAMPLES"):
    """The displays of a section; both renderers must show the same."""
    mandoc, groff = (blocks_of(rendered(page, r), name) for r in RENDERERS)
    squeeze = [re.sub(r"\n\n+", "\n\n", "\n".join(b)) for b in (mandoc, groff)]
    assert squeeze[0] == squeeze[1], f"{page}: mandoc shows\n{squeeze[0]}\ngroff shows\n{squeeze[1]}"
    return mandoc


def commands(page, name="EXAMPLES"):
    """What follows the prompt "$ " in the displays, with the lines behind it that are indented."""
    return re.findall(r"(?m)^\$ (.*(?:\n +.*)*)$", "\n".join(displays(page, name)))
