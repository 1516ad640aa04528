package app

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/golang-jwt/jwt/v5"

	"eventgateway/gateway/testenv"
)

const presenceSecret = "a secret that is long enough for HS256"

// presenceConfig is a gateway that keeps who is in a room, for clients whose token has it.
const presenceConfig = `
http: {listen: "127.0.0.1:${PORT}"}
sources: {bus: {type: redis-sub, url: "${REDIS_URL}", channels: ["room:1"]}}
sinks:
  out:
    type: websocket
    origins: ["*"]
    auth: {jwt: {algorithm: HS256, key: "` + presenceSecret + `"}}
    authorize: channel in claims.rooms
    presence: {channels: ["room:*"], subjects: true, linger: 50ms}
routes: {r: {from: [bus], to: [out]}}
`

// roomToken returns the token of a subject, which opens two rooms.
func roomToken(t testing.TB, subject string) string {
	t.Helper()
	claims := jwt.MapClaims{"sub": subject, "rooms": []string{"room:1", "room:2"}, "exp": time.Now().Add(time.Hour).Unix()}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(presenceSecret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// definePresent defines the function enter, which has a client watch a room, and records what it is told in client.news.
const definePresent = `(globalThis.enter = (url, token, more) => {
	const client = new GatewayClient(url, { ...options, token, ...more });
	client.news = [];
	client.room = client.subscribe({ channels: ["room:1"], presence: true }, {
		onPresence: ({ channel, clients, subjects, joined, left, many, partial }) => client.news.push([channel, clients, subjects, joined, left, many, partial]),
		onRefused: (why) => client.news.push(why),
	});
	return client;
}, 0)`

// TestClientsSeeWhoIsThere proves with a real gateway that clients see each other come and go, also after the connection was cut,
// and that questions are answered, or refused with the gateway's reason.
func TestClientsSeeWhoIsThere(t *testing.T) {
	inEngines(t, func(t *testing.T, e engine) {
		r := startGateway(t, writeConfig(t, presenceConfig), nil)
		direct := "ws://127.0.0.1:" + r.port + "/"
		proxy, url := testenv.ProxyURL(t, direct)
		e.run(t, definePresent)
		news := func(client string, want string) {
			t.Helper()
			e.await(client + `.news.length > 0`)
			if got := e.run(t, client+`.news.shift()`); got != want {
				t.Fatalf("%s was told %s, want %s", client, got, want)
			}
		}
		e.run(t, fmt.Sprintf(`(globalThis.ann = enter(%q, %q), 0)`, url, roomToken(t, "ann")))
		news("ann", `["room:1",1,["ann"],[],[],false,false]`)
		e.run(t, fmt.Sprintf(`(globalThis.bob = enter(%q, %q), 0)`, direct, roomToken(t, "bob")))
		news("ann", `["room:1",2,["ann","bob"],["bob"],[],false,false]`)
		news("bob", `["room:1",2,["ann","bob"],[],[],false,false]`)
		if got := e.run(t, `bob.askPresence("room:1").then(({ clients, subjects }) => [clients, subjects])`); got != `[2,["ann","bob"]]` {
			t.Errorf("the answer is %s", got)
		}
		news("bob", `["room:1",2,["ann","bob"],[],[],false,false]`) // the answer is a state
		want := `"presence of \"room:2\": you are not subscribed to this channel by its name, and only its clients see who is there: subscribe to it"`
		if got := e.run(t, `bob.askPresence("room:2").catch((err) => err.message)`); got != want {
			t.Errorf("the answer is %s, want %s", got, want)
		}

		e.run(t, `(bob.close(), 0)`)
		if got := e.run(t, `bob.askPresence("room:1").catch((err) => err.message)`); got != `"the client is closed"` {
			t.Errorf("the answer is %s", got)
		}
		news("ann", `["room:1",1,["ann"],[],["bob"],false,false]`)

		proxy.Cut()
		e.await(`ann.state !== "connected"`)
		e.run(t, fmt.Sprintf(`(globalThis.cid = enter(%q, %q), 0)`, direct, roomToken(t, "cid")))
		e.await(`ann.state === "connected" && ann.news.some(([, , subjects]) => subjects.join() === "ann,cid")`)
		if got := e.run(t, `[ann.news.flatMap(([, , , joined]) => joined).filter((subject) => subject !== "ann"), ann.news.filter((one) => typeof one === "string")]`); got != `[["cid"],[]]` {
			t.Errorf("meanwhile: %s, %s", got, e.run(t, `ann.news`))
		}
		e.run(t, `(ann.news.length = 0, ann.room.change({ channels: ["room:2"] }), 0)`)
		e.await(`cid.news.at(-1)[2].join() === "cid"`)
		if got := e.run(t, `[ann.news, bob.news]`); got != `[[],[]]` {
			t.Errorf("clients that do not watch were told %s", got)
		}
		e.run(t, `(ann.close(), cid.close(), 0)`)
	})
}

// TestClientKeepsListOfSubjects proves what a client makes of each message of presence: the list is replaced, changed, and unknown.
func TestClientKeepsListOfSubjects(t *testing.T) {
	inEngines(t, func(t *testing.T, e engine) {
		s := startScript(t, nil)
		e.run(t, definePresent)
		e.run(t, fmt.Sprintf(`(globalThis.ann = enter(%q, ""), 0)`, s.url))
		c := s.accept()
		if want := "channel=room%3A1&presence=true"; c.query != want {
			t.Errorf("the query is %s, want %s", c.query, want)
		}
		c.control(`{"type":"subscribed","epoch":"E","offset":1,"seen":0}`)
		e.run(t, `(globalThis.answer = ann.askPresence("room:1"), 0)`)
		c.expect(`{"type":"presence","channel":"room:1"}`)
		c.conn.Close()
		c = s.accept()
		if want := "channel=room%3A1&presence=true&epoch=E&offset=1&seen=0"; c.query != want {
			t.Errorf("the query is %s, want %s", c.query, want)
		}
		c.control(`{"type":"subscribed","epoch":"E","offset":1,"seen":0,"recovered":true}`)
		c.expect(`{"type":"presence","channel":"room:1"}`) // it asks again
		for _, one := range []struct{ message, want string }{
			{`"clients":2,"subjects":["b","d"]`, `["room:1",2,["b","d"],[],[],false,false]`},
			{`"clients":3,"joined":["a","c"],"left":["b"]`, `["room:1",3,["a","c","d"],["a","c"],["b"],false,false]`},
			{`"clients":4`, `["room:1",4,["a","c","d"],[],[],false,false]`}, // one without a subject
			{`"clients":3,"subjects":["a","e"],"partial":true`, `["room:1",3,["a","e"],["e"],["c","d"],false,true]`},
			{`"clients":900,"many":true`, `["room:1",900,null,[],[],true,false]`},
			{`"clients":901,"many":true`, `["room:1",901,null,[],[],true,false]`},
			{`"clients":1,"subjects":["a"]`, `["room:1",1,["a"],[],[],false,false]`},
		} {
			c.control(`{"type":"presence","channel":"room:1",` + one.message + `}`)
			e.await(`ann.news.length > 0`)
			if got := e.run(t, `ann.news.shift()`); got != one.want {
				t.Errorf("%s: told %s, want %s", one.message, got, one.want)
			}
		}
		if got := e.run(t, `answer.then(({ subjects }) => subjects)`); got != `["b","d"]` {
			t.Errorf("the answer is %s", got)
		}
		e.run(t, `(ann.close(), 0)`)
	})
}

// TestTabsSeeWhoIsThere proves that tabs with one connection see who is there: one client; that a later tab gets the state, that
// each tab may ask, and that all this goes on when the leading tab is closed.
func TestTabsSeeWhoIsThere(t *testing.T) {
	r := startGateway(t, writeConfig(t, presenceConfig), nil)
	url := "ws://127.0.0.1:" + r.port + "/"
	b, pages := startBrowser(t, ""), servePages(t)
	var tabs []*clientPage
	for range 2 {
		tab := openTab(b, pages.url)
		tab.run(t, definePresent)
		tab.run(t, fmt.Sprintf(`(window.ann = enter(%q, %q, { share: true, heartbeat: 300 }), 0)`, url, roomToken(t, "ann")))
		tab.await(`ann.news.length > 0`)
		if got := tab.run(t, `ann.news.shift()`); got != `["room:1",1,["ann"],[],[],false,false]` {
			t.Errorf("told %s", got)
		}
		tabs = append(tabs, tab)
	}
	bob := startNode(t)
	bob.run(t, definePresent)
	bob.run(t, fmt.Sprintf(`(globalThis.bob = enter(%q, %q), 0)`, url, roomToken(t, "bob")))
	for _, tab := range tabs {
		tab.await(`ann.news.length > 0`)
		if got := tab.run(t, `ann.news.shift()`); got != `["room:1",2,["ann","bob"],["bob"],[],false,false]` {
			t.Errorf("told %s", got)
		}
		if got := tab.run(t, `ann.askPresence("room:1").then(({ clients, subjects }) => [clients, subjects])`); got != `[2,["ann","bob"]]` {
			t.Errorf("the answer is %s", got)
		}
		if got := tab.run(t, `ann.askPresence("room:2").catch((err) => err.message.includes("not subscribed"))`); got != `true` {
			t.Errorf("the answer is %s", got)
		}
	}
	if err := chromedp.Cancel(tabs[0].ctx); err != nil {
		t.Fatal(err)
	}
	last := tabs[1]
	if got := last.run(t, `ann.askPresence("room:1").then(({ subjects }) => subjects.includes("ann"))`); got != "true" {
		t.Errorf("the answer is %s", got)
	}
	bob.run(t, `(bob.close(), 0)`)
	last.await(`ann.news.at(-1)?.[2].join() === "ann"`)
	last.run(t, `(ann.close(), 0)`)
}
