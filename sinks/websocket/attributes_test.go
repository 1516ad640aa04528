package websocket

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
)

// attributedClient collects payloads with the attributes that came before them.
type attributedClient struct {
	f       *protocolClient
	pending []json.RawMessage
	got     []string // "PAYLOAD ATTRIBUTES"
	waiting string   // the last id of messages
}

// read handles frames until a payload has come.
func (a *attributedClient) read() {
	a.f.t.Helper()
	for n := len(a.got); len(a.got) == n; {
		kind, msg, err := a.f.conn.ReadMessage()
		if err != nil {
			a.f.t.Fatalf("%v; got %q", err, a.got)
		}
		if !isControl(byte(kind), msg) {
			attributes := "none"
			if len(a.pending) > 0 {
				attributes, a.pending = string(a.pending[0]), a.pending[1:]
			}
			a.got = append(a.got, a.waiting+string(msg)+" "+attributes)
			continue
		}
		var m struct {
			Type, ID string
			Messages []json.RawMessage
		}
		if err := json.Unmarshal(msg, &m); err != nil {
			a.f.t.Fatal(err)
		}
		switch m.Type {
		case "attributes":
			if len(a.pending) > 0 {
				a.f.t.Errorf("%d attributes had no payload before %s", len(a.pending), msg)
			}
			a.pending = m.Messages
		case "messages":
			a.waiting = m.ID
		}
	}
}

// TestAttributes proves that a client that asks for the attributes of payloads gets them before each payload: live, from the
// history, with a filter, with several subscriptions of which only some have them, and with compression. Others get none.
func TestAttributes(t *testing.T) {
	for _, compressed := range []bool{false, true} {
		t.Run(fmt.Sprintf("compressed %v", compressed), func(t *testing.T) {
			s, server := newSink(t, func(o *Options) {
				o.Attributes, o.Compression.Enabled, o.Compression.MinBytes = true, compressed, 1
			}, httptest.NewServer)
			origin := time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)
			make := func(n int) *event.Event {
				return &event.Event{ID: fmt.Sprint("id-", n), Channel: "public.items", Key: "a \"key\"\x01\xff", Source: "items", Time: origin, Origin: origin,
					Position: event.Position{Major: 1, Minor: uint64(n)}, Attrs: []event.Attr{{Name: "table", Value: "public.items"}, {Name: "__proto__", Value: "x"}},
					Data: fmt.Appendf(nil, `{"n":%d,"text":"%s"}`, n, strings.Repeat("z", 100))}
			}
			want := func(n int) string {
				return fmt.Sprintf(`{"n":%d,"text":"%s"} {"channel":"public.items","key":"a \"key\"\u0001\ufffd","id":"id-%[1]d","source":"items","time":"2026-01-02T03:04:05.678Z","origin":"2026-01-02T03:04:05.678Z","position":"1-%[1]d","attrs":{"table":"public.items","__proto__":"x"}}`, n, strings.Repeat("z", 100))
			}
			for n := range 200 {
				s.send(t, make(n))
			}
			for _, c := range []struct {
				filter string
				step   int
			}{{"", 1}, {"n % 3 == 0", 3}} {
				query := url.Values{"last": {"150"}, "attributes": {"true"}}
				if c.filter != "" {
					query.Set("filter", c.filter)
				}
				a := &attributedClient{f: dialOffering(t, server, query, compressed)}
				for n := 50 + (c.step-50%c.step)%c.step; n < 200; n += c.step {
					if a.read(); a.got[len(a.got)-1] != want(n) {
						t.Fatalf("filter %q: got  %s\nwant %s", c.filter, a.got[len(a.got)-1], want(n))
					}
				}
			}
			a := &attributedClient{f: dialOffering(t, server, url.Values{}, compressed)}
			if err := a.f.conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"subscribe","id":"b","attributes":true,"last":1}`)); err != nil {
				t.Fatal(err)
			}
			if a.read(); a.got[0] != "b"+want(199) {
				t.Errorf("last of a subscribe message: %s", a.got[0])
			}
			for n := 200; n < 400; n += 50 {
				var batch []*event.Event
				for i := range 50 {
					batch = append(batch, make(n+i))
				}
				s.send(t, batch...)
			}
			for len(a.got) < 401 {
				a.read()
			}
			next := map[string]int{"": 200, "b": 200}
			for _, got := range a.got[1:] {
				id := strings.TrimRight(got[:1], "{")
				wanted := id + want(next[id])
				if id == "" {
					wanted = strings.Split(wanted, " ")[0] + " none"
				}
				if got != wanted {
					t.Fatalf("got  %s\nwant %s", got, wanted)
				}
				next[id]++
			}
		})
	}
}

// TestAttributesNeedTheOption proves that the sink tells nothing about an event but its payload unless its options allow it.
func TestAttributesNeedTheOption(t *testing.T) {
	s, server := newSink(t, nil, httptest.NewServer)
	a := &attributedClient{f: dialProtocol(t, server, url.Values{"attributes": {"true"}})}
	s.send(t, order(1, "new"))
	if a.read(); a.got[0] != string(order(1, "new").Data)+" none" {
		t.Error(a.got[0])
	}
}

// dialOffering is dialProtocol, with an offer of compression if that is asked for.
func dialOffering(t *testing.T, server *httptest.Server, query url.Values, compressed bool) *protocolClient {
	t.Helper()
	f := &protocolClient{t: t, server: server, query: query, compression: compressed}
	f.connect()
	return f
}
