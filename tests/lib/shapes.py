"""The shapes of JSON that gatewayctl(1) describes, and whether rows have them."""

import re

from manual import rendered, section

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def is_number(v):
    return isinstance(v, (int, float)) and not isinstance(v, bool)


KINDS = {
    "text": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": is_number,
    "seconds": lambda v: is_number(v) and v >= 0,
    "boolean": lambda v: isinstance(v, bool),
    "time": lambda v: isinstance(v, str) and RFC3339.fullmatch(v),
    "limit": lambda v: v == "unlimited" or isinstance(v, int),
    "texts": lambda v: isinstance(v, list) and all(isinstance(t, str) for t in v),
    "object": lambda v: isinstance(v, dict),
    "objects": lambda v: isinstance(v, list) and all(isinstance(o, dict) for o in v),
    "any": lambda v: True,
}


# The columns of the table: shape, kind, keys. What is not filled in is that of the line above.
ROW = re.compile(r" {5}(.{17})(.{9})(\w[\w ]*)")


def described():
    """{shape: {key: kind}}, from the page as it is rendered."""
    found, shape, kind = {}, None, None
    for line in section(rendered("gatewayctl.1"), "JSON"):
        m = ROW.fullmatch(line)
        if not m or (m[2].strip() and m[2].strip() not in KINDS):
            continue
        kind = m[2].strip() or kind
        if m[1].strip():
            shape = found.setdefault(m[1].strip(), {})
        shape.update(dict.fromkeys(m[3].split(), kind))
    return found


def faults(shapes, name, row):
    """What is wrong with a row, a list of texts."""
    shape = shapes[name]
    wrong = [f"{name}: the page does not know {k}" for k in row.keys() - shape.keys()]
    wrong += [f"{name}: {k} is missing" for k in shape.keys() - row.keys()]
    for key in shape.keys() & row.keys():
        value, part = row[key], f"{name}.{key}"
        if value is None:
            continue
        if not KINDS[shape[key]](value):
            wrong.append(f"{part} is no {shape[key]}: {value!r}")
        elif part in shapes:
            for inner in value if isinstance(value, list) else [value]:
                wrong += faults(shapes, part, inner)
    return wrong


def shape_of(command, row):
    if command in ("watch", "trace"):
        return row["kind"]
    return command
