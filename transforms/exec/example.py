#!/usr/bin/python3
"""A transform that adds the length of a field, in the protocol of gateway/childproc/README.md."""
import json, sys

field = json.loads(sys.stdin.readline())["options"]["field"]
print('{"ready":1}', flush=True)
for line in sys.stdin:
    batch = json.loads(line)
    made, failed = [], []
    for index, event in enumerate(batch["events"]):
        try:
            payload = json.loads(event["data"])
            payload["length"] = len(payload[field])
            made.append({"of": index, "data": payload})
        except (KeyError, TypeError, ValueError) as e:
            failed.append({"index": index, "error": repr(e)})
    print(json.dumps({"ack": batch["batch"], "events": made, "failed": failed}), flush=True)
