package app

import (
	"strings"
	"testing"
)

const testedConfig = `sources:
  orders: {type: redis-sub, url: "redis://nobody", channels: [c]}
  numbered: {type: generate, key: n}
transforms:
  lines: {type: split, field: lines}
  ids: {type: set, fields: {id: uuid(), at: now(), from: event.channel + event.attrs.a}}
  fragile: {type: filter, when: a.b, on_error: pass}
  known: {type: lookup, url: embedded, query: "SELECT 2 * $1::int AS twice", params: [n], into: found}
sinks: {a: {type: stdout}, b: {type: webhook, url: "http://nobody"}, parked: {type: file, path: /no/where}}
routes:
  split: {from: [orders], when: kind == "list", through: [lines, ids], to: [a], dead_letter: parked}
  others: {from: [orders], else: true, to: [b]}
  numbers: {from: [numbered], through: [known, fragile], to: [a], dead_letter: parked}
tests:
  right:
    source: orders
    now: 2024-05-06T07:08:09Z
    channel: c
    attrs: {a: x}
    events: [{kind: list, lines: [{n: 1}, {n: 2}]}, '{"kind":"list"}']
    expect:
      a:
        - {n: 1, id: 00000000-0000-4000-8000-000000000001, at: "2024-05-06T07:08:09.000Z", from: cx}
        - {n: 2, id: 00000000-0000-4000-8000-000000000002, at: "2024-05-06T07:08:09.000Z", from: cx}
      b: []
      dead_letters: ['{"kind":"list"}']
      parked: []
  asks a private database:
    source: numbered
    events: ['{"n":21, "x":1.0}']
    expect: {a: ['{"n":21.0,"x":1,"found":{"twice":42}}']}
`

// TestRunTests proves the output of `gateway test` for tests that pass and tests that fail.
func TestRunTests(t *testing.T) {
	out, err := commandLine(t, nil, "test", "-c", writeConfig(t, testedConfig))
	if want := "ok      right\nok      asks a private database\n2 passed\n"; err != nil || out != want {
		t.Errorf("%s%v", out, err)
	}
	wrong := testedConfig + `  wrong:
    source: orders
    events: [{kind: list, lines: 7}, '{"kind":"x","a":1.50,"b":[1,2]}']
    expect:
      b: ['{"b":[1,3],"a":1.5,"kind":"x"}', more]
  hidden failure:
    source: numbered
    events: ['{"n":1}']
    expect: {a: []}
`
	out, err = commandLine(t, nil, "test", "-c", writeConfig(t, wrong))
	for _, want := range []string{
		"ok      right\n", "FAILED  wrong\n", ":36:7: b: 2 expected, 1 arrived\n", "    -    3\n    +    2\n", `    -event 2: no JSON: "more"`,
		"  parked by route split, transform lines: the field lines is not an array\n",
		"  route numbers: its transforms failed on 1 events, and on_error dropped them or passed them on; the last error: ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q, but\n%s", want, out)
		}
	}
	if strings.Contains(out, `"a": 1.50`) || err == nil || err.Error() != "2 of 4 tests failed" {
		t.Errorf("%v\n%s", err, out)
	}
	out, err = commandLine(t, nil, "test", "--route", "numbers", "-c", writeConfig(t, testedConfig))
	if err != nil || !strings.HasSuffix(out, "1 passed\n") {
		t.Errorf("%s%v", out, err)
	}
	if out, err = commandLine(t, nil, "test", "-c", writeConfig(t, strings.Split(testedConfig, "tests:")[0])); err == nil || !strings.Contains(err.Error(), "there is no test") {
		t.Errorf("%s%v", out, err)
	}
}

const clientsConfig = `sources:
  orders: {type: redis-sub, url: "redis://nobody", channels: [c]}
sinks:
  browsers:
    type: websocket
    auth: {tokens: {shop: correct-horse-battery}}
    authorize: '!(order.customer_id in claims.blocked)'
routes:
  deliver: {from: [orders], to: [browsers]}
tests:
  blocked customers stay hidden:
    source: orders
    events: [{order: {customer_id: 7}}, {order: {customer_id: 9007199254740993}}, {order: {}}, no json]
    clients:
      ada: {claims: {blocked: [7]}, expect: ['{"order":{"customer_id":9007199254740993}}']}
      ben: {claims: '{"blocked":[9007199254740993]}', sink: browsers, expect: [{order: {customer_id: 7}}]}
      cy: {claims: {blocked: []}, expect: [{order: {customer_id: 7}}, '{"order":{"customer_id":9007199254740993}}']}
      di: {claims: {sub: d}, expect: []}
      ed: {}
`

// TestRunTestsOfRights proves that tests check what clients with example tokens receive.
func TestRunTestsOfRights(t *testing.T) {
	out, err := commandLine(t, nil, "test", "-c", writeConfig(t, clientsConfig))
	if want := "ok      blocked customers stay hidden\n1 passed\n"; err != nil || out != want {
		t.Errorf("%s%v", out, err)
	}
	out, err = commandLine(t, nil, "test", "-c", writeConfig(t, clientsConfig+`  a row that leaves, and clients that see too much and too little:
    source: orders
    events: [{order: {customer_id: 7}}, {order: {customer_id: 8}}]
    expect: {browsers: [{order: {customer_id: 7}}, {order: {customer_id: 8}}]}
    clients:
      fay: {claims: {blocked: [7]}, expect: []}
      gus: {claims: {}, expect: [{order: {customer_id: 8}}]}
`))
	for _, want := range []string{
		":25:7: client fay of browsers: 0 expected, 1 arrived\n", `    +    "customer_id": 8`, ":26:7: client gus of browsers: 1 expected, 0 arrived\n", `    -    "customer_id": 8`,
		"    the client is refused: the token lacks a claim", "FAILED  a row",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q, but\n%s", want, out)
		}
	}
	if err == nil || err.Error() != "1 of 2 tests failed" {
		t.Error(err)
	}
	two := strings.Replace(clientsConfig, "sinks:\n", "sinks:\n  pages: {type: websocket, path: /pages}\n", 1)
	if out, err = commandLine(t, nil, "test", "-c", writeConfig(t, two)); err == nil || !strings.Contains(err.Error(), "several sinks have clients: write sink: pages, or sink: browsers") {
		t.Errorf("%s%v", out, err)
	}
	// A client of a sink without a route gets no event, and rows leave filters as in a running gateway.
	leave := strings.NewReplacer("to: [browsers]", "to: [browsers, rows]", "sinks:\n", "sinks:\n  rows: {type: websocket, path: /rows, auth: {tokens: {shop: correct-horse-battery}}, authorize: new.owner == claims.id}\n").Replace(clientsConfig[:strings.Index(clientsConfig, "tests:")]) + `tests:
  a row goes to others:
    source: orders
    events: [{old: {owner: 7}, new: {owner: 8}, secret: 1}]
    clients:
      seven: {sink: rows, claims: {id: 7}, expect: [{type: leave, message: {old: {owner: 7}, new: null}}]}
      eight: {sink: rows, claims: {id: 8}, expect: [{old: {owner: 7}, new: {owner: 8}, secret: 1}]}
`
	if out, err = commandLine(t, nil, "test", "-c", writeConfig(t, leave)); err != nil {
		t.Errorf("%s%v", out, err)
	}
}

// TestCanonical proves that equal payloads, and no others, have the same canonical form.
func TestCanonical(t *testing.T) {
	canonicals := map[string]int{}
	for _, group := range [][]string{
		{`{"a":1,"b":[1.50]}`, ` {"b":[1.5] ,"a":1.0}`, `{"a":1,"b":[15e-1]}`, `{"a":1.00000000000000000,"b":[1.5]}`},
		{`hello`}, {`"hello"`}, {`{"a":1,"a":2}`}, {`{"a":2}`}, {`{"b":{"a":1,"a":2}}`}, {`[{"a":1},{"a":2}]`},
		{`0`, `0.0`, `-0`, `-0.00`}, {`1e-400`}, {`1e-401`}, {``}, {`null`},
		{`12345678901234567.0`, `12345678901234567`}, {`12345678901234568`}, {`12345678901234567890.5`, `12345678901234567890.50`},
		{`100`, `1e2`, `100.0`}, {`1`}, {`10`}, {`"é"`, `"\u00e9"`}, {`"<"`, `"\u003c"`},
	} {
		for _, text := range group {
			if got, want := canonical([]byte(text)), canonical([]byte(group[0])); got != want {
				t.Errorf("%s is %s, and %s is %s", text, got, group[0], want)
			}
		}
		canonicals[canonical([]byte(group[0]))]++
	}
	for text, n := range canonicals {
		if n > 1 {
			t.Errorf("%d different payloads are %s", n, text)
		}
	}
}

// TestRunTestsWithWindows proves that windows end after the last event, in the order of their transforms.
func TestRunTestsWithWindows(t *testing.T) {
	const config = `
sources: {orders: {type: redis-sub, url: "redis://h", channels: [c]}}
transforms:
  pairs: {type: batch, collect: {size: 2, time: 1ms}}
  all: {type: batch, collect: {time: 10m}}
sinks: {out: {type: stdout}}
routes: {all: {from: [orders], through: [pairs, all], to: [out]}}
tests:
  five:
    source: orders
    events: ["1", "2", "3", "4", "5"]
    expect: {out: ["[[1,2],[3,4],[5]]"]}
`
	if out, err := commandLine(t, nil, "test", "-c", writeConfig(t, config)); err != nil || out != "ok      five\n1 passed\n" {
		t.Errorf("%s%v", out, err)
	}
	wrong := strings.NewReplacer("time: 1ms", "time: 1h", "type: batch, collect: {time: 10m}", "type: json, collect: {size: 1}").Replace(config)
	_, err := commandLine(t, nil, "check", "-c", writeConfig(t, wrong))
	for _, want := range []string{"transforms.pairs.collect.time: must be at most 10m", "transforms.all.collect: unknown option"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("it does not say %q, but %v", want, err)
		}
	}
}
