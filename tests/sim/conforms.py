#!/usr/bin/env python3
"""Say in what JSON differs from what a Swagger file or a JSON schema defines.

    conforms.py SPEC [NAME] <JSON

NAME is one of the definitions; without it, SPEC itself is the schema.  Of all that a schema
can say only this is understood: $ref type required enum minimum maximum items properties
pattern and, with STRICT=1 in the environment, that there is nothing that is not defined.
"""

import json
import os
import re
import sys

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
         "boolean": bool}


def resolve(schema, root):
    while "$ref" in schema:
        place = root
        for part in schema["$ref"].split("/")[1:]:
            place = place[part]
        schema = place
    return schema


def scalar(value, schema):
    kind = TYPES.get(schema.get("type"), object)
    if not isinstance(value, kind) or isinstance(value, bool) and kind not in (bool, object):
        yield "is no %s" % schema["type"]
    elif "enum" in schema and value not in schema["enum"]:
        yield "is none of the enum"
    elif isinstance(value, (int, float)) and not (
            schema.get("minimum", value) <= value <= schema.get("maximum", value)):
        yield "is out of range"
    elif isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield "does not match the pattern"


def wrong(value, schema, root, where=""):
    schema = resolve(schema, root)
    for complaint in scalar(value, schema):
        yield "%s %s: %s" % (where or ".", complaint, json.dumps(value)[:60])
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from wrong(item, schema.get("items", {}), root, "%s[%d]" % (where, number))
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield "%s.%s is missing" % (where, name)
        for name, item in value.items():
            if properties and name not in properties and os.environ.get("STRICT"):
                yield "%s.%s is not defined" % (where, name)
            yield from wrong(item, properties.get(name, {}), root, "%s.%s" % (where, name))


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        root = json.load(file)
    schema = root["definitions"][sys.argv[2]] if len(sys.argv) > 2 else root
    found = list(wrong(json.load(sys.stdin), schema, root))
    print("".join(line + "\n" for line in found), end="")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
