package websocket

import (
	"time"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

var _ plugin.ClientSimulator = (*Options)(nil)

// SimulateClient is part of [plugin.ClientSimulator]: what the rule of authorize leaves of events, for a client
// that asks for all.
func (o Options) SimulateClient(claims map[string]any) (func(*event.Event) (payload []byte, sees bool), error) {
	allowed, err := rightsOf(o.Authorize, claims)
	if err != nil {
		return nil, err
	}
	h, t := newHub(o, newMetrics(), time.Now, nil), &topic{subscription: subscription{allowed: allowed, protocol: true}}
	return func(e *event.Event) ([]byte, bool) {
		p := &past{Event: *e}
		h.setKeys(p)
		v := h.look(&h.eval, t, p)
		if v.is == left {
			return leaveMessage(v.row), true
		}
		return p.Data, v.is != absent
	}, nil
}
