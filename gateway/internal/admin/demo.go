package admin

import (
	"context"
	"net/http"
	"time"
)

// Demo changes orders on the embedded PostgreSQL, and stops the embedded Redis for a while. The page has buttons for it.
type Demo struct {
	Change          func(context.Context) error      // changes one order; nil without an embedded PostgreSQL
	MakeOrders      func(on bool)                    // begins or ends to change many orders; nil without an embedded PostgreSQL
	TakeRedis       func() error                     // stops Redis for a while; nil without an embedded Redis
	Until           func() (orders, redis time.Time) // when each ends; zero: not under way
	PostgresCommand string                           // that connects to the embedded PostgreSQL
}

// DemoState shows what /api/demo can do, and what of it is under way.
type DemoState struct {
	Redis           bool       `json:"redis"`                      // there is an embedded Redis
	OrdersUntil     *time.Time `json:"orders_until,omitempty"`     // while orders are changed
	RedisAwayUntil  *time.Time `json:"redis_away_until,omitempty"` // while Redis is away
	PostgresCommand string     `json:"postgres_command,omitempty"` // for the role admin
}

// state returns the state for a caller with a role; nil without embedded servers.
func (d *Demo) state(role Role) *DemoState {
	if d == nil {
		return nil
	}
	s := &DemoState{Redis: d.TakeRedis != nil}
	if role == RoleAdmin {
		s.PostgresCommand = d.PostgresCommand
	}
	orders, redis := d.Until()
	if !orders.IsZero() {
		s.OrdersUntil = &orders
	}
	if !redis.IsZero() {
		s.RedisAwayUntil = &redis
	}
	return s
}

// demo does what the query parameter do names: orders begins to change orders, stop ends this, redis stops Redis for a while. Without the
// parameter it changes one order. It requires a header that pages of other sites cannot set without permission (CORS).
func (a *Admin) demo(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Gateway-Demo") == "" && a.Demo != nil {
		http.Error(w, "the header X-Gateway-Demo is missing: set it to any value", http.StatusForbidden)
		return
	}
	do := r.URL.Query().Get("do")
	switch {
	case a.Demo == nil, do != "redis" && a.Demo.Change == nil:
		http.Error(w, "there is no embedded PostgreSQL: start the gateway without DATABASE_URL", http.StatusNotFound)
		return
	case do == "redis" && a.Demo.TakeRedis == nil:
		http.Error(w, "there is no embedded Redis: start the gateway without REDIS_URL", http.StatusNotFound)
		return
	}
	status, err := http.StatusInternalServerError, error(nil)
	switch do {
	case "":
		err = a.Demo.Change(r.Context())
	case "orders", "stop":
		a.Demo.MakeOrders(do == "orders")
	case "redis":
		status = http.StatusConflict
		err = a.Demo.TakeRedis()
	default:
		http.Error(w, "do must be orders, stop or redis: write one of them", http.StatusBadRequest)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), status)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
