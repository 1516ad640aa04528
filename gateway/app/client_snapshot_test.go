package app

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
)

// TestClientLoadsSnapshot proves that a subscription with a snapshot gets the rows and then their changes, repeats
// a snapshot that was cut off, and takes a new one after a gap.
func TestClientLoadsSnapshot(t *testing.T) {
	inEngines(t, func(t *testing.T, e engine) {
		var requests atomic.Int32
		s := startScript(t, func(w http.ResponseWriter, r *http.Request) {
			if got := r.URL.RawQuery + " " + r.Header.Get("Authorization"); got != "snapshot=orders&channel=x&filter=n+%3E+1 Bearer secret" {
				t.Errorf("the request is %s", got)
			}
			switch requests.Add(1) {
			case 1:
				fmt.Fprint(w, `{"epoch":"E","offset":1,"seen":0}`+"\n"+`{"n":2}`+"\n") // cut off
			case 2:
				fmt.Fprint(w, `{"epoch":"E","offset":7,"seen":0}`+"\n"+`{"n":2}`+"\n"+`{"n":3}`+"\n"+`{"complete":true,"rows":2}`+"\n")
			default:
				fmt.Fprint(w, `{"epoch":"F","offset":"9-0","seen":0}`+"\n"+`{"complete":true,"rows":0}`+"\n")
			}
		})
		e.run(t, recordHandlers)
		e.run(t, fmt.Sprintf(`(globalThis.client = new GatewayClient(%q, { ...options, token: "secret" }), globalThis.a = client.subscribe({ snapshot: "orders", channels: ["x"], filter: "n > 1" }, record("a")), 0)`, s.url))
		c := s.accept()
		if want := "channel=x&filter=n+%3E+1&epoch=E&offset=7&seen=0"; c.query != want {
			t.Errorf("the query is %s, want %s", c.query, want)
		}
		c.control(`{"type":"subscribed","epoch":"E","offset":7,"seen":0,"recovered":true}`)
		c.payload("change")
		e.await(`told.length === 3`)
		checkTold(t, e, `["a Refused the snapshot of orders is incomplete","a Snapshot {\"n\":2},{\"n\":3}","a Message change"]`)

		c.control(`{"type":"gap","source":"s","reason":"lost"}`)
		c.expect(`{"type":"unsubscribe"}`)
		c.expect(`{"type":"subscribe","id":"1","channels":["x"],"filter":"n > 1","epoch":"F","offset":"9-0","seen":0}`)
		c.control(`{"type":"subscribed","id":"1","epoch":"F","offset":"9-0","seen":0,"recovered":true}`, `{"type":"messages","id":"1"}`)
		c.payload("later")
		e.await(`told.length === 2`)
		checkTold(t, e, `["a Snapshot ","a Message later"]`)

		c.conn.Close() // it resumes without a snapshot
		c = s.accept()
		c.control(`{"type":"subscribed","epoch":"F","offset":"9-0","seen":1,"recovered":true}`)
		e.await(`told.length === 1`)
		checkTold(t, e, `["a Resumed "]`)
		e.run(t, `client.close()`)
	})
}

// TestSnapshotEndsItsSubscriptionOnce proves that a snapshot that fails and is repeated does not end another subscription, which
// after a reconnect has the id that its own one had.
func TestSnapshotEndsItsSubscriptionOnce(t *testing.T) {
	inEngines(t, func(t *testing.T, e engine) {
		var requests atomic.Int32
		fail := make(chan struct{})
		s := startScript(t, func(w http.ResponseWriter, r *http.Request) {
			if requests.Add(1) == 2 {
				<-fail
				http.Error(w, "too many snapshots", http.StatusServiceUnavailable)
				return
			}
			fmt.Fprint(w, `{"epoch":"E","offset":7,"seen":0}`+"\n"+`{"complete":true,"rows":0}`+"\n")
		})
		e.run(t, recordHandlers)
		e.run(t, fmt.Sprintf(`(globalThis.client = new GatewayClient(%q, options), client.subscribe({ snapshot: "orders" }, record("a")), 0)`, s.url))
		c := s.accept()
		c.control(`{"type":"subscribed","epoch":"E","offset":7,"seen":0,"recovered":true}`, `{"type":"gap","source":"s","reason":"lost"}`)
		c.expect(`{"type":"unsubscribe"}`)
		e.run(t, `(client.subscribe({ channels: ["b"] }, record("b")), 0)`)
		c.expect(`{"type":"subscribe","id":"1","channels":["b"]}`)
		c.conn.Close()
		c = s.accept()
		if c.query != "channel=b" {
			t.Errorf("the query is %s", c.query)
		}
		c.control(`{"type":"subscribed","epoch":"F","offset":1,"seen":0}`)
		close(fail)
		c.expect(`{"type":"subscribe","id":"1","epoch":"E","offset":7,"seen":0}`)
		e.run(t, `(client.close(), 0)`)
	})
}
