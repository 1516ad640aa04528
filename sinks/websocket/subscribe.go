package websocket

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"eventgateway/gateway/expr"
)

// Bounds of a subscription; those of a filter are in package expr.
const (
	maxChannels     = 100
	maxChannelBytes = 8 << 10 // of all names
	maxPlace        = 256     // bytes of what says where a client was
)

// after is what a client has.
type after struct {
	asked  bool
	epoch  string
	offset uint64 // everything up to it
	seen   uint64 // and so many messages of its subscription more
	place  string // or, in their place, the position of its last message, as the configuration names it
}

// wish is what a client asks for: in the query, or in a message subscribe.
type wish struct {
	Channels []string        `json:"channels"`
	Filter   string          `json:"filter"`
	Epoch    string          `json:"epoch"`
	Offset   uint64          `json:"offset"`
	Seen     uint64          `json:"seen"`
	After    json.RawMessage `json:"after"`
}

// queryWish reads channel=...&channel=...&filter=...&epoch=...&offset=...&seen=...&after=...,
// and the Last-Event-ID of an EventSource.
func queryWish(r *http.Request) (wish, error) {
	q := r.URL.Query()
	w := wish{Channels: q["channel"], Filter: q.Get("filter"), Epoch: q.Get("epoch")}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		var err error
		if q, err = lastEvent(last); err != nil {
			return w, err
		}
		w.Epoch = q.Get("epoch")
	}
	for name, to := range map[string]*uint64{"offset": &w.Offset, "seen": &w.Seen} {
		if text := q.Get(name); text != "" {
			var err error
			if *to, err = strconv.ParseUint(text, 10, 64); err != nil {
				return w, fmt.Errorf("%s=%.20q is not a number", name, text)
			}
		}
	}
	if place := q.Get("after"); place != "" {
		w.After, _ = json.Marshal(place) // text always encodes
	}
	return w, nil
}

// lastEvent reads an event's id as sse.go writes it: EPOCH-OFFSET-SEEN.
func lastEvent(id string) (url.Values, error) {
	parts := strings.Split(id, "-")
	if len(parts) != 3 {
		return nil, fmt.Errorf("Last-Event-ID %.40q is not one of this server's", id)
	}
	return url.Values{"epoch": parts[:1], "offset": parts[1:2], "seen": parts[2:]}, nil
}

// subscription compiles a wish.
func (w wish) subscription(o Options, protocol bool) (s subscription, err error) {
	if len(w.Channels) > maxChannels {
		return s, fmt.Errorf("a subscription has %d channels at most", maxChannels)
	}
	bytes := 0
	for _, name := range w.Channels {
		bytes += len(name)
	}
	if bytes > maxChannelBytes {
		return s, fmt.Errorf("the names of channels have %d bytes at most", maxChannelBytes)
	}
	s.channels = slices.Compact(slices.Sorted(slices.Values(w.Channels)))
	s.protocol = protocol
	if o.MaxTopics == 0 && (w.Filter != "" || len(w.Channels) > 0) {
		return s, errors.New("this server takes no filters and channels")
	}
	if w.Filter == "" {
		return s, nil
	}
	s.filter, err = expr.CompileFilter(w.Filter)
	return s, err
}

// after reads what the client has. The position that the configuration names may be text
// or a number.
func (w wish) after() (a after, err error) {
	if len(w.Epoch) > maxPlace || len(w.After) > maxPlace {
		return a, fmt.Errorf("epoch and after have %d bytes at most", maxPlace)
	}
	a = after{asked: w.Epoch != "" || len(w.After) > 0, epoch: w.Epoch, offset: w.Offset, seen: w.Seen}
	if len(w.After) > 0 && json.Unmarshal(w.After, &a.place) != nil {
		var n json.Number
		if err = json.Unmarshal(w.After, &n); err != nil {
			return a, errors.New("after is neither text nor a number")
		}
		a.place = n.String()
	}
	return a, nil
}

// subscribedMessage says where a client begins.
func subscribedMessage(at start) []byte {
	text := fmt.Appendf(nil, `{"type":"subscribed","epoch":"%s","offset":%d,"seen":%d`, at.epoch, at.offset, at.seen)
	if at.recovered || at.lost {
		text = fmt.Appendf(text, `,"recovered":%v`, at.recovered)
	}
	return append(text, '}')
}

// positionMessage tells a client that it has everything up to a number: it counts what
// comes behind from 0 again.
func positionMessage(number uint64) []byte {
	return fmt.Appendf(nil, `{"type":"position","offset":%d}`, number)
}

// leaveMessage tells a client that the row of an event is not in its subscription any more.
// Bytes of the event that are not UTF-8 are replaced: else it would look like a payload.
func leaveMessage(payload []byte) []byte {
	text := append([]byte(`{"type":"leave","message":`), bytes.ToValidUTF8(payload, replacement)...)
	return append(text, '}')
}

// errorMessage answers a message that cannot be carried out.
func errorMessage(err error) []byte {
	text, _ := json.Marshal(struct { // strings always encode
		Type   string `json:"type"`
		Reason string `json:"reason"`
	}{"error", err.Error()})
	return text
}
