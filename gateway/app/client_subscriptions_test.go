package app

import (
	"fmt"
	"testing"

	"eventgateway/gateway/testenv"
)

// recordHandlers defines handlers that record their calls in the global list told, with a name.
const recordHandlers = `(globalThis.told = [], globalThis.record = (name) => Object.fromEntries(
	["onMessage", "onLeave", "onGap", "onResumed", "onRefused", "onSnapshot"].map((handler) => [handler, (detail) => told.push([name, handler.slice(2), detail?.reason ?? detail ?? null].join(" "))])), 0)`

func checkTold(t testing.TB, e engine, want string) {
	t.Helper()
	if got := e.run(t, "told"); got != want {
		t.Fatalf("the handlers were told %s, want %s", got, want)
	}
	e.run(t, "told.splice(0).length")
}

// TestClientHoldsSeveralSubscriptions proves that each subscription of a connection gets its own messages, and resumes behind
// them.
func TestClientHoldsSeveralSubscriptions(t *testing.T) {
	inEngines(t, func(t *testing.T, e engine) {
		s := startScript(t, nil)
		e.run(t, recordHandlers)
		e.run(t, fmt.Sprintf(`(globalThis.client = new GatewayClient(%q, options), globalThis.a = client.subscribe({ channels: ["x"] }, record("a")), globalThis.b = client.subscribe({ filter: "n > 1" }, record("b")), 0)`, s.url))
		c := s.accept()
		if c.query != "subscribe=none" {
			t.Errorf("the query is %s", c.query)
		}
		c.expect(`{"type":"subscribe","id":"1","channels":["x"]}`)
		c.expect(`{"type":"subscribe","id":"2","filter":"n > 1"}`)
		c.control(`{"type":"subscribed","id":"1","epoch":"E","offset":10,"seen":0}`, `{"type":"error","id":"2","reason":"wrong"}`, `{"type":"messages","id":"1"}`)
		c.payload("a1", "a2")
		e.await(`told.length === 3`)
		checkTold(t, e, `["b Refused wrong","a Message a1","a Message a2"]`)

		e.run(t, `b.change({ filter: "n > 2" })`)
		c.expect(`{"type":"subscribe","id":"2","filter":"n > 2"}`)
		c.control(`{"type":"subscribed","id":"2","epoch":"E.h","offset":"7-1","seen":1}`, `{"type":"messages","id":"2"}`)
		c.payload("b1")
		c.control(`{"type":"leave","message":"gone"}`, `{"type":"messages","id":"1"}`, `{"type":"position","offset":12}`)
		c.payload("a3")
		c.control(`{"type":"gap","id":"2","reason":"slow","conflated":false}`, `{"type":"gap","source":"s","reason":"all"}`)
		e.await(`told.length === 6`)
		checkTold(t, e, `["b Message b1","b Leave gone","a Message a3","b Gap slow","a Gap all","b Gap all"]`)

		c.conn.Close()
		c = s.accept()
		c.expect(`{"type":"subscribe","id":"1","channels":["x"],"epoch":"E","offset":12,"seen":1}`)
		c.expect(`{"type":"subscribe","id":"2","filter":"n > 2","epoch":"E.h","offset":"7-1","seen":3}`)
		c.control(`{"type":"subscribed","id":"1","epoch":"E","offset":12,"seen":1,"recovered":true}`, `{"type":"subscribed","id":"2","epoch":"E.h","offset":"9","seen":0,"recovered":false}`)
		e.await(`told.length === 2`)
		checkTold(t, e, `["a Resumed ","b Gap events sent meanwhile are missing"]`)

		e.run(t, `a.close()`)
		c.expect(`{"type":"unsubscribe","id":"1"}`)
		c.control(`{"type":"messages","id":"1"}`)
		c.payload("late")
		c.control(`{"type":"unsubscribed","id":"1"}`, `{"type":"messages","id":"2"}`)
		c.payload("b2")
		e.await(`told.length === 1`)
		checkTold(t, e, `["b Message b2"]`)

		c.control(`{"type":"error","id":"2","reason":"it took too long"}`, `{"type":"unsubscribed","id":"2"}`)
		c.expect(`{"type":"subscribe","id":"3","filter":"n > 2","epoch":"E.h","offset":"9","seen":1}`)
		c.control(`{"type":"subscribed","id":"3","epoch":"E.h","offset":"9","seen":1,"recovered":true}`)
		e.await(`told.length === 2`)
		checkTold(t, e, `["b Refused it took too long","b Resumed "]`)

		c.conn.Close() // one subscription is left: the query has it
		c = s.accept()
		if want := "filter=n+%3E+2&epoch=E.h&offset=9&seen=1"; c.query != want {
			t.Errorf("the query is %s, want %s", c.query, want)
		}
		e.run(t, `client.close()`)
	})
}

// TestClientReportsRefusedQuery proves that a client whose first handshake fails asks by message, whose answer has a reason; and
// that it resumes at the next URL after a failure.
func TestClientReportsRefusedQuery(t *testing.T) {
	inEngines(t, func(t *testing.T, e engine) {
		away, s := startScript(t, nil), startScript(t, nil)
		away.close()
		e.run(t, recordHandlers)
		e.run(t, fmt.Sprintf(`(globalThis.client = new GatewayClient([%q, %q], options), globalThis.a = client.subscribe({ filter: "wrong(" }, record("a")), 0)`, away.url, s.url))
		c := s.accept()
		c.expect(`{"type":"subscribe","id":"1","filter":"wrong("}`)
		c.control(`{"type":"error","id":"1","reason":"not closed"}`)
		e.await(`told.length === 1`)
		checkTold(t, e, `["a Refused not closed"]`)
		e.run(t, `a.change({})`)
		c.expect(`{"type":"subscribe","id":"1"}`)
		c.control(`{"type":"subscribed","id":"1","epoch":"E","offset":"o","seen":0}`)
		e.run(t, `client.close()`)
	})
}

// TestClientResumesSeveralSubscriptions proves with a real gateway that two subscriptions get their events in order and once,
// though the connection is cut, and that one may be refused, changed and closed beside the other.
func TestClientResumesSeveralSubscriptions(t *testing.T) {
	inEngines(t, func(t *testing.T, e engine) {
		r := startGateway(t, writeConfig(t, shareConfig), nil)
		proxy, url := testenv.ProxyURL(t, "ws://127.0.0.1:"+r.port+"/")
		publish := func(from, to int) {
			t.Helper()
			for n := from; n <= to; n++ {
				if err := testenv.RedisClient(t).Publish(testenv.Context(t), "shared", fmt.Sprintf(`{"n":%d}`, n)).Err(); err != nil {
					t.Fatal(err)
				}
			}
		}
		e.run(t, fmt.Sprintf(`(globalThis.client = new GatewayClient(%q, options), globalThis.gaps = [], globalThis.subscriptions = {}, globalThis.got = {}, globalThis.add = (name, filter) => {
			got[name] = [];
			subscriptions[name] = client.subscribe({ filter }, { onMessage: (payload) => got[name].push(parse(payload).n), onGap: (gap) => gaps.push(gap.reason), onRefused: (why) => gaps.push(why) });
		}, add("even", "n %% 2 == 0"), add("small", "n < 25"), 0)`, url))
		e.await(`subscriptions.even.position && subscriptions.small.position`)
		for round := range 4 {
			publish(10*round+1, 10*round+5)
			if round%2 == 0 {
				proxy.Cut()
			}
			publish(10*round+6, 10*round+10)
		}
		e.await(`got.even.length === 20 && got.small.length === 24`)
		if got := e.run(t, `[got.even.every((n, i) => n === 2 * i + 2), got.small.every((n, i) => n === i + 1), gaps]`); got != `[true,true,[]]` {
			t.Errorf("in order, in order, gaps: %s: %s", got, e.run(t, `got`))
		}
		e.run(t, `(add("wrong", "n +"), subscriptions.small.change({ filter: "n > 41" }), subscriptions.even.close(), 0)`)
		e.await(`gaps.length === 1 && !gaps.some((why) => why.includes("missing"))`)
		publish(41, 43)
		e.await(`got.small.at(-1) === 43`)
		if got := e.run(t, `[got.even.length, got.small.length]`); got != `[20,26]` {
			t.Errorf("events of both: %s, want [20,26]", got)
		}
		e.run(t, `(client.close(), 0)`)
	})
}
