#!/usr/bin/python3
"""A sink that appends payloads to a file, in the protocol of gateway/childproc/README.md."""
import json, os, sys

def send(message):
    print(json.dumps(message), flush=True)

hello = json.loads(sys.stdin.readline())
out = open(hello["options"]["path"], "a")
send({"ready": 1})
for line in sys.stdin:
    batch = json.loads(line)
    if "batch" in batch:
        for event in batch["events"]:
            out.write(event.get("data", "") + "\n")
        out.flush()
        os.fsync(out.fileno())
        send({"ack": batch["batch"]})
