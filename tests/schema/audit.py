"""Validates the audit log of a service, as JSON lines on standard input, against docs/audit.schema.json.

Usage: audit.py SCHEMA DECISION:REASON ... with the decisions that must be there, in order.
"""

import copy
import json
import sys

import jsonschema_rs

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
jsonschema_rs.meta.validate(schema)
validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)

lines = []
for text in sys.stdin:
    line = json.loads(text)
    if line.get("event") == "access":
        lines.append(line)

found = [f"{line['decision']}:{line['reason']}" for line in lines]
if found != sys.argv[2:]:
    sys.exit(f"the decisions are {found}")
for line in lines:
    validator.validate(line)
    unknown = set(line) - set(schema["properties"])
    if unknown:
        sys.exit(f"the schema does not name {unknown}")


def change(line, **members):
    changed = copy.deepcopy(line)
    changed.update(members)
    return changed


# The schema is no use if it accepts anything.
granted = next(line for line in lines if line["decision"] == "granted")
rejected = next(line for line in lines if line["decision"] == "rejected")
for bad in [
    change(granted, reason="insufficient_scope"),
    change(rejected, reason=None),
    change(rejected, reason="other"),
    change(granted, subject="user-1"),
    change(granted, issuer=None),
    change(granted, client_id="x" * 257),
    change(granted, actors=[{"subject": None}]),
    change(granted, actors=[{"issuer": None, "client_id": None, "subject": None}] * 9),
    change(granted, method="BREW"),
    change(granted, time="yesterday"),
    *[{name: value for name, value in granted.items() if name != left_out} for left_out in schema["required"]],
]:
    if validator.is_valid(bad):
        sys.exit(f"the schema accepts {bad}")
print(f"{len(lines)} lines of the audit log are as docs/audit.schema.json describes them")
