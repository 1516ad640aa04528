#!/usr/bin/python3
"""A source that emits the lines of a file as it grows, and resumes, in the protocol of gateway/childproc/README.md."""
import json, select, sys

if sys.argv[1:] == ["--describe"]:
    sys.exit(print(json.dumps({"protocol": 1, "kind": "source", "name": "tail", "summary": "Emits the lines of a file.", "capabilities": ["acks"],
                               "options": [{"name": "path", "type": "text", "doc": "file to read", "required": True}]})))
hello = json.loads(sys.stdin.readline())
file = open(hello["options"]["path"], "rb")
file.seek(hello.get("state", 0))
print('{"ready":1}', flush=True)
number = 0
while True:
    events = [{"id": str(file.tell()), "data": line.decode(errors="replace").rstrip("\n")} for line in file]
    if events:
        number += 1
        print(json.dumps({"emit": number, "events": events, "state": file.tell()}), flush=True)
    elif select.select([sys.stdin], [], [], 0.1)[0] and not sys.stdin.readline():
        break  # the end of the input; before it, acks
