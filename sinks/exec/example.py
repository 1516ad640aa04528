#!/usr/bin/python3
"""A sink that appends payloads to a file, in the protocol of gateway/childproc/README.md."""
import json, os, sys

def send(message):
    print(json.dumps(message), flush=True)

if sys.argv[1:] == ["--describe"]:
    sys.exit(send({"protocol": 1, "kind": "sink", "name": "lines", "summary": "Appends payloads to a file.", "capabilities": ["durable"],
                   "options": [{"name": "path", "type": "text", "doc": "file to append to", "required": True}]}))
hello = json.loads(sys.stdin.readline())
out = open(hello["options"]["path"], "a")
send({"ready": 1})
for batch in map(json.loads, sys.stdin):
    if "batch" in batch:
        out.writelines(event.get("data", "") + "\n" for event in batch["events"])
        out.flush()
        os.fsync(out.fileno())
        send({"ack": batch["batch"]})
