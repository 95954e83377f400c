"""A validator of what gatewayd --schema uses of JSON Schema (draft 7), for tests without packages; it refuses
keywords that it does not know. tests/interop/test_schema.py compares it with another one's."""

import re

TYPES = {
    "null": lambda v: v is None,
    "boolean": lambda v: isinstance(v, bool),
    "integer": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool) and v == int(v),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "string": lambda v: isinstance(v, str),
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
}
ANNOTATIONS = {"$schema", "title", "definitions", "then", "else", "additionalProperties"}


def is_number(v):
    return TYPES["number"](v)


class Validator:
    def __init__(self, schema):
        self.root = schema

    def faults(self, value, schema=None, path=""):
        """Pairs of the path and the keyword that failed."""
        schema = self.root if schema is None else schema
        if isinstance(schema, bool):
            return [] if schema else [(path, "false")]
        found = []
        for keyword, arg in schema.items():
            if keyword in ANNOTATIONS:
                continue
            check = getattr(self, "check_" + keyword.strip("$"))
            result = check(value, arg, schema, path)
            found += result if isinstance(result, list) else [] if result else [(path, keyword)]
        return found

    def check_ref(self, value, arg, _, path):
        return self.faults(value, self.root["definitions"][arg.removeprefix("#/definitions/")], path)

    def check_type(self, value, arg, *_):
        return any(TYPES[t](value) for t in ([arg] if isinstance(arg, str) else arg))

    def check_enum(self, value, arg, *_):
        return any(type(a) is type(value) and a == value for a in arg)

    def check_const(self, value, arg, *_):
        return value == arg

    def check_minimum(self, value, arg, *_):
        return not is_number(value) or value >= arg

    def check_maximum(self, value, arg, *_):
        return not is_number(value) or value <= arg

    def check_maxLength(self, value, arg, *_):
        return not isinstance(value, str) or len(value) <= arg

    def check_pattern(self, value, arg, *_):
        return not isinstance(value, str) or re.search(arg, value) is not None

    def check_minItems(self, value, arg, *_):
        return not isinstance(value, list) or len(value) >= arg

    def check_maxItems(self, value, arg, *_):
        return not isinstance(value, list) or len(value) <= arg

    def check_items(self, value, arg, _, path):
        if isinstance(value, list):
            return [f for i, v in enumerate(value) for f in self.faults(v, arg, f"{path}[{i}]")]
        return []

    def check_required(self, value, arg, _, path):
        if isinstance(value, dict):
            return [(f"{path}.{key}".lstrip("."), "required") for key in arg if key not in value]
        return []

    def check_properties(self, value, arg, schema, path):
        if not isinstance(value, dict):
            return []
        found = []
        for key, v in value.items():
            below = f"{path}.{key}".lstrip(".")
            if key in arg:
                found += self.faults(v, arg[key], below)
            elif schema.get("additionalProperties") is False:
                found.append((below, "additionalProperties"))
        return found

    def check_allOf(self, value, arg, _, path):
        return [f for s in arg for f in self.faults(value, s, path)]

    def check_anyOf(self, value, arg, _, path):
        return any(not self.faults(value, s, path) for s in arg)

    def check_oneOf(self, value, arg, _, path):
        return sum(not self.faults(value, s, path) for s in arg) == 1

    def check_not(self, value, arg, _, path):
        return bool(self.faults(value, arg, path))

    def check_if(self, value, arg, schema, path):
        branch = schema.get("else" if self.faults(value, arg, path) else "then", True)
        return self.faults(value, branch, path)
