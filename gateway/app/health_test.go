package app

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/stats"
	"eventgateway/gateway/testenv"
)

// health returns the health that /api/status and /metrics show, and fails where they differ.
func (r *running) health() stats.GatewayHealth {
	r.t.Helper()
	code, body := r.get("/api/status")
	var o admin.Overview
	if err := json.Unmarshal([]byte(body), &o); err != nil || code != 200 {
		r.t.Fatalf("%d, %v: %s", code, err, body)
	}
	return o.Health
}

// TestHealthFollowsOutage proves that the health names what an outage of Redis has taken down, with its time and error,
// while orders wait, and that it is ok again when they are delivered. No goroutine is left.
func TestHealthFollowsOutage(t *testing.T) {
	db := testenv.OrdersTable(t)
	redis, _ := testenv.StartRedis(t)
	before := goleak.IgnoreCurrent()
	r := startLeading(t, map[string]string{"REDIS_URL": redis.URL()})
	c := r.connect()
	await := func(state string, what string, components ...string) (h stats.GatewayHealth) {
		t.Helper()
		testenv.Eventually(t, testenv.Wait, what, func() bool {
			h = r.health()
			if h.State != state {
				return false
			}
			for _, component := range components {
				if !slices.ContainsFunc(h.Reasons, func(reason stats.Reason) bool { return reason.Component == component }) {
					return false
				}
			}
			return true
		})
		return h
	}
	if h := await(stats.HealthOK, "all work"); len(h.Reasons) > 0 {
		t.Errorf("ok, because of %+v", h.Reasons)
	}
	outage := time.Now()
	if err := redis.Stop(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	insert := func(name string) {
		if _, err := db.Exec(testenv.Context(t), "INSERT INTO orders (customer_name) VALUES ($1)", name); err != nil {
			t.Fatal(err)
		}
	}
	insert("Ada")
	h := await(stats.HealthDown, "both routes down", "source orders_bus", "sink bus")
	for _, reason := range h.Reasons {
		if reason.Since.Before(outage) || reason.Since.After(time.Now()) || !strings.HasPrefix(reason.Text, "down: ") || len(reason.Text) < len("down: ")+10 {
			t.Errorf("since %v: %+v", outage, reason)
		}
	}
	if n, ok := r.metric(`gateway_health{state="down"}`); !ok || n != 1 {
		t.Errorf("gateway_health of down is %v, %v", n, ok)
	}
	if code, body := r.get("/readyz"); code != 200 {
		t.Errorf("/readyz answers %d %s in an outage", code, body)
	}
	if err := redis.Start(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	await(stats.HealthOK, "all work again")
	insert("Zoe")
	for frame := ""; !strings.Contains(frame, `"customer_name":"Zoe"`); { // the source may have subscribed again after Ada was published
		frame = c.next()
	}
	testenv.Eventually(t, testenv.Wait, "both orders delivered", func() bool { return r.sink("bus").Delivered == 2 })
	for state, want := range map[string]float64{"ok": 1, "degraded": 0, "down": 0} {
		if n, ok := r.metric(`gateway_health{state="` + state + `"}`); !ok || n != want {
			t.Errorf("gateway_health of %s is %v, %v", state, n, ok)
		}
	}
	c.Close()
	r.stop()                                               // and checks the conservation law
	if err := redis.Stop(testenv.Context(t)); err != nil { // its process has goroutines here
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(before); err != nil {
		t.Error(err)
	}
}
