package app

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/internal/delivery"
	"eventgateway/gateway/testenv"
)

// clients requests the clients of a sink.
func (r *running) clients(sink, query string) (list delivery.ClientList) {
	r.t.Helper()
	r.getJSON("/api/components/sink/"+sink+"/clients"+query, &list)
	return list
}

// TestClientsOfSink proves that operators see the clients of a sink page by page, and disconnect one.
func TestClientsOfSink(t *testing.T) {
	t.Parallel()
	r := startGateway(t, writeConfig(t, `
http: {listen: "127.0.0.1:${PORT}"}
sources: {made: {type: generate, rate: 1}}
sinks: {browsers: {type: websocket}, log: {type: stdout}}
routes: {all: {from: [made], to: [browsers, log]}}
`), map[string]string{"DATABASE_URL": "not used", "REDIS_URL": "not used"})
	first, second := r.dial(), r.dial()
	testenv.Eventually(t, testenv.Wait, "two clients", func() bool { return r.clients("browsers", "").Total == 2 })
	page := r.clients("browsers", "?limit=1")
	if len(page.Clients) != 1 || page.Next == "" || page.Clients[0].Address != "127.0.0.1" {
		t.Fatalf("%+v", page)
	}
	rest := r.clients("browsers", "?limit=1&after="+page.Next)
	if len(rest.Clients) != 1 || rest.Next != "" || rest.Clients[0].ID == page.Clients[0].ID {
		t.Errorf("%+v", rest)
	}
	path := "/api/components/sink/browsers/clients/" + page.Clients[0].ID + "/disconnect"
	if status, body := r.post(path + "?reconnect=maybe"); status != http.StatusBadRequest {
		t.Errorf("%d: %s", status, body)
	}
	if status, body := r.post(path + "?reason=maintenance"); status != http.StatusNoContent {
		t.Errorf("%d: %s", status, body)
	}
	for {
		if _, _, err := first.ReadMessage(); err != nil {
			if !websocket.IsCloseError(err, 4000) || !strings.Contains(err.Error(), "maintenance") {
				t.Errorf("ended with %v", err)
			}
			break
		}
	}
	second.next()
	testenv.Eventually(t, testenv.Wait, "the client to be gone", func() bool { return r.clients("browsers", "").Total == 1 })
	if status, _ := r.post(path); status != http.StatusNotFound {
		t.Errorf("a client that is gone: %d", status)
	}
	for path, want := range map[string]int{"log/clients": 404, "browsers/attempts": 404, "browsers/clients?limit=0": 400, "browsers/clients?limit=501": 400} {
		if status, body := r.get("/api/components/sink/" + path); status != want {
			t.Errorf("%s: %d, want %d: %s", path, status, want, body)
		}
	}
	if page, _ := r.componentPage("sink/browsers"); strings.Join(page.Lists, "") != "clients" {
		t.Errorf("lists: %v", page.Lists)
	}
}

// TestOperatorsNeedTheRole proves that the role read may list clients and attempts, and change nothing.
func TestOperatorsNeedTheRole(t *testing.T) {
	t.Parallel()
	r := startGateway(t, writeConfig(t, `
http: {listen: "127.0.0.1:${PORT}", admin: {users: {ada: {password: '${HASH}', role: read}}}}
sources: {made: {type: generate, rate: 1}}
sinks: {browsers: {type: websocket}, shop: {type: webhook, url: "http://127.0.0.1:1", allow: [127.0.0.1], best_effort: true}}
routes: {all: {from: [made], to: [browsers, shop]}}
`), map[string]string{"DATABASE_URL": "not used", "REDIS_URL": "not used", "HASH": hashOf(t, "lovelace-1815")})
	for path, want := range map[string]int{
		"GET browsers/clients": 200, "POST browsers/clients/1/disconnect": 403, "GET shop/attempts": 200, "POST shop/attempts/x/send-again": 403, "GET shop": 200,
	} {
		method, path, _ := strings.Cut(path, " ")
		req, _ := http.NewRequest(method, "http://127.0.0.1:"+r.port+"/api/components/sink/"+path, nil)
		req.Header = basic("ada", "lovelace-1815")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s %s: %d, want %d", method, path, resp.StatusCode, want)
		}
	}
}

// TestClientStaysAway proves that a client that an operator has disconnected shows the reason, and connects again only when its user requests it.
func TestClientStaysAway(t *testing.T) {
	inEngines(t, func(t *testing.T, e engine) {
		s := startScript(t, nil)
		e.run(t, `(globalThis.client = new GatewayClient("`+s.url+`", options), globalThis.texts = [], client.addEventListener("state", ({ detail }) => texts.push(detail.text)), client.subscribe({}, {}), 0)`)
		c := s.accept()
		e.await(`client.state === "connected"`)
		if err := c.conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(4000, "maintenance")); err != nil {
			t.Fatal(err)
		}
		for err := error(nil); err == nil; { // until its answer
			_, _, err = c.conn.ReadMessage()
		}
		c.conn.Close()
		e.await(`texts.at(-1) === "Disconnected by the gateway (maintenance)"`)
		e.run(t, `(globalThis.dispatchEvent?.(new Event("online")), globalThis.document?.dispatchEvent(new Event("visibilitychange")), 0)`)
		if got := e.run(t, `new Promise((done) => setTimeout(() => done(client.state), 1500))`); got != `"disconnected"` {
			t.Errorf("the client is %s", got)
		}
		e.run(t, `(client.connect(), 0)`)
		s.accept()
		e.await(`client.state === "connected"`)
	})
}
