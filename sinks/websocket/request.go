package websocket

import (
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
	maxResumeBytes  = 256     // bytes of what says where a client was
)

// resumePoint is what a client has.
type resumePoint struct {
	given  bool
	epoch  string
	offset uint64 // everything up to it
	seen   uint64 // and so many messages of its subscription more
	named  string // or, in their place, the position of its last message, as the configuration names it
}

// subscribeRequest is what a client asks for: in the query, or in a message subscribe.
type subscribeRequest struct {
	Channels []string        `json:"channels"`
	Filter   string          `json:"filter"`
	Epoch    string          `json:"epoch"`
	Offset   uint64          `json:"offset"`
	Seen     uint64          `json:"seen"`
	After    json.RawMessage `json:"after"`
}

// parseQuery reads channel=...&channel=...&filter=...&epoch=...&offset=...&seen=...&after=...,
// and the Last-Event-ID of an EventSource.
func parseQuery(r *http.Request) (subscribeRequest, error) {
	q := r.URL.Query()
	w := subscribeRequest{Channels: q["channel"], Filter: q.Get("filter"), Epoch: q.Get("epoch")}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		var err error
		if q, err = parseLastEventID(last); err != nil {
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
	if named := q.Get("after"); named != "" {
		w.After, _ = json.Marshal(named) // text always encodes
	}
	return w, nil
}

// parseLastEventID reads an event's id as sse.go writes it: EPOCH-OFFSET-SEEN.
func parseLastEventID(id string) (url.Values, error) {
	parts := strings.Split(id, "-")
	if len(parts) != 3 {
		return nil, fmt.Errorf("Last-Event-ID %.40q is not one of this server's", id)
	}
	return url.Values{"epoch": parts[:1], "offset": parts[1:2], "seen": parts[2:]}, nil
}

// compile compiles a wish.
func (w subscribeRequest) compile(o Options, protocol bool) (s subscription, err error) {
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

// resumePoint reads what the client has. The position that the configuration names may be text
// or a number.
func (w subscribeRequest) resumePoint() (a resumePoint, err error) {
	if len(w.Epoch) > maxResumeBytes || len(w.After) > maxResumeBytes {
		return a, fmt.Errorf("epoch and after have %d bytes at most", maxResumeBytes)
	}
	a = resumePoint{given: w.Epoch != "" || len(w.After) > 0, epoch: w.Epoch, offset: w.Offset, seen: w.Seen}
	if len(w.After) > 0 && json.Unmarshal(w.After, &a.named) != nil {
		var n json.Number
		if err = json.Unmarshal(w.After, &n); err != nil {
			return a, errors.New("after is neither text nor a number")
		}
		a.named = n.String()
	}
	return a, nil
}
