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
	maxResumeBytes  = 256     // of epoch and after, each
)

// resumePoint describes the messages that a client has.
type resumePoint struct {
	given  bool
	epoch  string
	text   string // the offset, as the client sends it
	offset uint64 // every message up to it
	seen   uint64 // and this many messages of its subscription behind it
	named  string // instead of these: the value of the option position of its last message

	last uint64 // if no position is given: begin with this many of the latest events; 0: with new events

	continues bool // offset is that of the messages that it was sent, of another subscription
}

// subscribeRequest is the subscription that a client requests in the query, or in a subscribe message.
type subscribeRequest struct {
	Channels []string        `json:"channels"`
	Filter   string          `json:"filter"`
	Epoch    string          `json:"epoch"`
	Offset   clientOffset    `json:"offset"`
	Seen     uint64          `json:"seen"`
	After    json.RawMessage `json:"after"`
	Presence bool            `json:"presence"` // it gets presence messages about its channels
	Last     uint64          `json:"last"`     // begin with the matching ones of this many latest events

	Attributes bool `json:"attributes"` // it gets the attributes of each payload

	none bool // the query asks for no subscription
}

// parseRequest reads the subscription of a handshake. With subscribe=none there is none; the client adds some later.
func (c *client) parseRequest(r *http.Request) (subscribeRequest, error) {
	request, err := parseQuery(r)
	if err != nil {
		return request, err
	}
	switch text := r.URL.Query().Get("subscribe"); {
	case text == "":
	case text != "none":
		return request, fmt.Errorf("subscribe=%.20q is unknown: write subscribe=none", text)
	case !c.protocol || !isUpgrade(r):
		return request, errors.New("subscribe=none is for WebSocket clients with the subprotocol " + Protocol + ": leave it out")
	default:
		request.none = true
	}
	return request, nil
}

// parseQuery reads channel=...&channel=...&filter=...&epoch=...&offset=...&seen=...&after=...&last=...&presence=true&attributes=true,
// and the Last-Event-ID of an EventSource.
func parseQuery(r *http.Request) (subscribeRequest, error) {
	q := r.URL.Query()
	request := subscribeRequest{Channels: q["channel"], Filter: q.Get("filter"), Epoch: q.Get("epoch"), Presence: q.Get("presence") == "true", Attributes: q.Get("attributes") == "true"}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		var err error
		if q, err = parseLastEventID(last); err != nil {
			return request, err
		}
		request.Epoch = q.Get("epoch")
	}
	if text := r.URL.Query().Get("last"); text != "" {
		var err error
		if request.Last, err = strconv.ParseUint(text, 10, 64); err != nil {
			return request, fmt.Errorf("last=%.20q is not a number: send how many of the latest events to look at", text)
		}
	}
	request.Offset = clientOffset(q.Get("offset"))
	if text := q.Get("seen"); text != "" {
		var err error
		if request.Seen, err = strconv.ParseUint(text, 10, 64); err != nil {
			return request, fmt.Errorf("seen=%.20q is not a number: send the number of messages since the offset", text)
		}
	}
	if named := q.Get("after"); named != "" {
		request.After, _ = json.Marshal(named) // text always encodes
	}
	return request, nil
}

// parseLastEventID reads an event's id as sse.go writes it: EPOCH-OFFSET-SEEN.
func parseLastEventID(id string) (url.Values, error) {
	epoch, rest, _ := strings.Cut(id, "-")
	i := strings.LastIndexByte(rest, '-') // an offset may have one as well
	if i < 0 {
		return nil, fmt.Errorf("Last-Event-ID %.40q is not one of this server's", id)
	}
	return url.Values{"epoch": {epoch}, "offset": {rest[:i]}, "seen": {rest[i+1:]}}, nil
}

// compile returns the subscription of a request, without rights. Its errors are for the client.
func (r subscribeRequest) compile(o Options, protocol bool) (s subscription, err error) {
	if len(r.Channels) > maxChannels {
		return s, fmt.Errorf("a subscription has %d channels at most", maxChannels)
	}
	bytes := 0
	for _, name := range r.Channels {
		bytes += len(name)
	}
	if bytes > maxChannelBytes {
		return s, fmt.Errorf("the names of channels have %d bytes at most", maxChannelBytes)
	}
	s.channels = slices.Compact(slices.Sorted(slices.Values(r.Channels)))
	s.protocol = protocol
	if o.MaxTopics == 0 && (r.Filter != "" || len(r.Channels) > 0) {
		return s, errors.New("this server allows no filters and channels: subscribe without them")
	}
	if r.Filter == "" {
		return s, nil
	}
	s.filter, err = expr.CompileFilter(r.Filter)
	return s, err
}

// resumePoint returns the point from which the client resumes. The value of the option position may
// be text or a number.
func (r subscribeRequest) resumePoint() (a resumePoint, err error) {
	if len(r.Epoch) > maxResumeBytes || len(r.After) > maxResumeBytes || len(r.Offset) > maxResumeBytes {
		return a, fmt.Errorf("epoch, offset and after have %d bytes at most", maxResumeBytes)
	}
	a = resumePoint{given: r.Epoch != "" || len(r.After) > 0, epoch: r.Epoch, text: string(r.Offset), offset: r.Offset.number(), seen: r.Seen}
	if len(r.After) > 0 && json.Unmarshal(r.After, &a.named) != nil {
		var n json.Number
		if err = json.Unmarshal(r.After, &n); err != nil {
			return a, errors.New("after is neither text nor a number: send the value of the option position as you got it")
		}
		a.named = n.String()
	}
	if !a.given {
		a.last = r.Last
	}
	return a, nil
}
