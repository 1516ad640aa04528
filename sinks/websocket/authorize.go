package websocket

import "eventgateway/gateway/event"

// rights say which events a client may see.
type rights struct{}

func (r rights) id() string { return "" }
func (r rights) all() bool  { return true }

// of returns the topics that an event may belong to, beside the main one.
func (h *hub) of(e *event.Event) []*topic { return h.free }

// may says whether those who have a topic may see an event.
func (h *hub) may(t *topic, e *event.Event) bool { return true }

func (h *hub) enter(t *topic) { h.free = append(h.free, t) }
func (h *hub) exit(t *topic) {
	for i := range h.free {
		if h.free[i] == t {
			h.free = append(h.free[:i], h.free[i+1:]...)
			return
		}
	}
}
