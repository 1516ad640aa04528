#!/usr/bin/python3
# A transform that adds the length of a field, in the protocol of gateway/childproc/README.md.
import json, sys

if sys.argv[1:] == ["--describe"]:
    sys.exit(print(json.dumps({"protocol": 1, "kind": "transform", "name": "length", "summary": "Adds the length of a field.",
                               "options": [{"name": "field", "type": "text", "doc": "name of the field", "required": True}]})))
field = json.loads(sys.stdin.readline())["options"]["field"]
print('{"ready":1}', flush=True)
for batch in map(json.loads, sys.stdin):
    made, failed = [], []
    for index, event in enumerate(batch.get("events", [])):
        try:
            payload = json.loads(event["data"])
            made.append({"of": index, "data": payload | {"length": len(payload[field])}})
        except Exception as e:
            failed.append({"index": index, "error": repr(e)})
    if "batch" in batch:
        print(json.dumps({"ack": batch["batch"], "events": made, "failed": failed}), flush=True)
