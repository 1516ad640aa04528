package app

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"

	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/testenv"
)

// history requests a part of the history.
func (r *running) history(since string) (p stats.HistoryPage) {
	r.t.Helper()
	status, body := r.get("/api/history?since=" + since)
	if err := json.Unmarshal([]byte(strings.ReplaceAll(body, "null", "-1")), &p); status != 200 || err != nil {
		r.t.Fatalf("%d, %v: %.300s", status, err, body)
	}
	return p
}

// TestHistoryOfGateway proves that the history counts each event, goes on behind a reload, and forgets a component that this removes.
func TestHistoryOfGateway(t *testing.T) {
	t.Parallel()
	const text = `
http: {listen: "127.0.0.1:${PORT}"}
sources: {made: {type: generate, rate: 100, count: 150}}
sinks: {out: {type: websocket, path: /}, other: {type: websocket, path: /other}}
routes: {all: {from: [made], to: [out]}, more: {from: [made], to: [other]}}
`
	env, file := map[string]string{"DATABASE_URL": "not used", "REDIS_URL": "not used"}, writeConfig(t, text)
	r := startGateway(t, file, env)
	env["PORT"] = r.port
	r.reloadable(file, env)
	c := r.dial()
	defer c.Close()
	sum := func(s stats.Series) (n float32) {
		for _, v := range s {
			n += max(v, 0)
		}
		return n
	}
	var p stats.HistoryPage
	defer func() {
		if t.Failed() {
			t.Logf("%+v", p)
		}
	}()
	testenv.Eventually(t, testenv.Wait, "a history of some seconds", func() bool { p = r.history(""); return p.Count > 3 && p.Total["clients"][p.Count-1] == 1 })
	if got := []stats.Series{p.Total["in"], p.Components["source made"]["out"], p.Components["route all"]["out"], p.Components["sink out"]["p99"]}; len(got[0]) != p.Count || len(got[3]) != p.Count || sum(got[0]) != sum(got[1]) || sum(got[0]) > 150 || sum(got[3]) == 0 {
		t.Errorf("%d figures: %v", p.Count, got)
	}
	if !p.Whole || p.Components["sink other"] == nil || p.Start == 0 {
		t.Errorf("%+v", p)
	}
	before := p.Count
	if err := os.WriteFile(file, []byte(strings.Replace(strings.Replace(text, ", other: {type: websocket, path: /other}", "", 1), ", more: {from: [made], to: [other]}", "", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r.reload(testenv.Context(t), "test")
	testenv.Eventually(t, testenv.Wait, "the removed sink to leave the history", func() bool { return r.history("").Components["sink other"] == nil })
	if whole := r.history(""); whole.Count < before || sum(whole.Components["source made"]["out"]) < sum(p.Components["source made"]["out"]) {
		t.Errorf("the reload has shortened the history: %d figures after %d", whole.Count, before)
	}
	next := r.history(p.Next)
	if next.Whole || next.Count == 0 || next.Start != p.Start+int64(p.Count)*1000 && next.Start < p.Start {
		t.Errorf("the figures since then: %+v", next)
	}
	header := authorization(r.secret())
	resp := send(t, "GET", "http://127.0.0.1:"+r.port+"/api/history", "", header)
	header.Set("If-None-Match", resp.Header.Get("ETag"))
	testenv.Eventually(t, testenv.Wait, "nothing new", func() bool { // unless a second has passed
		again := send(t, "GET", "http://127.0.0.1:"+r.port+"/api/history", "", header)
		header.Set("If-None-Match", again.Header.Get("ETag"))
		return again.StatusCode == http.StatusNotModified
	})
	if got := send(t, "GET", "http://127.0.0.1:"+r.port+"/api/history", "", nil).StatusCode; got != 401 {
		t.Errorf("without the secret: %d", got)
	}
}
