package websocket

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/expr"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

const rightsSecret = "ssssssssssssssssssssssssssssssss"

// visiblePayloads returns the payloads that a client with claims gets under a rule, up to the last one, which it
// must get.
func visiblePayloads(t *testing.T, rule string, claims jwt.MapClaims, payloads ...string) []string {
	t.Helper()
	s, server := newSink(t, func(o *Options) {
		o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(rightsSecret)}
		if err := o.Authorize.UnmarshalText([]byte(rule)); err != nil {
			t.Fatal(err)
		}
	}, httptest.NewServer)
	claims["exp"] = inOneHour()
	token := bearerHeader(signed(t, jwt.SigningMethodHS256, []byte(rightsSecret), claims, ""))
	token.Set("Sec-WebSocket-Protocol", Protocol)
	conn := tryConnect(t, server, "", token)
	awaitClients(t, s, 1)
	for _, p := range payloads {
		s.send(t, &event.Event{Data: []byte(p)})
	}
	last := payloads[len(payloads)-1]
	live := readTo(t, conn, last)
	conn.Close()
	awaitTopics(t, s, 0)
	conn = tryConnect(t, server, "epoch="+s.hub.epoch+"&offset=0", token)
	if again := readTo(t, conn, last); !slices.Equal(again, live) {
		t.Errorf("%s shows of the history\n%s\nand live\n%s", rule, strings.Join(again, "\n"), strings.Join(live, "\n"))
	}
	conn.Close()
	return live
}

func tryConnect(t *testing.T, server *httptest.Server, query string, header http.Header) *websocket.Conn {
	t.Helper()
	conn, status := connect(server, query, header)
	if status != 101 {
		t.Fatalf("the client is refused with %d", status)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// readTo returns the messages before the one named last. Of control messages it returns leave messages only.
func readTo(t *testing.T, conn *websocket.Conn, last string) (got []string) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	for {
		kind, msg, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("%v, after %q", err, got)
		}
		if kind == websocket.BinaryMessage && !strings.HasPrefix(string(msg), `{"type":"leave"`) {
			continue
		}
		if string(msg) == last {
			return got
		}
		got = append(got, string(msg))
	}
}

// TestRenewedTokenKeepsPosition: a renewed token has the same rights, so its client shares the topic and can resume.
func TestRenewedTokenKeepsPosition(t *testing.T) {
	s, server := newSink(t, func(o *Options) {
		o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(rightsSecret)}
		o.Auth.Query = "token"
		if err := o.Authorize.UnmarshalText([]byte(`n >= 0 && claims.sub == "ada"`)); err != nil {
			t.Fatal(err)
		}
	}, httptest.NewServer)
	token := func(id int) url.Values {
		claims := jwt.MapClaims{"sub": "ada", "exp": inOneHour() + int64(id), "jti": fmt.Sprint(id)}
		return url.Values{"token": {signed(t, jwt.SigningMethodHS256, []byte(rightsSecret), claims, "")}}
	}
	f, other := dialProtocol(t, server, token(1)), dialProtocol(t, server, token(2))
	if n := s.topicCount(); n != 1 {
		t.Errorf("%d topics for two tokens with equal rights", n)
	}
	s.send(t, orders(0, 3)...)
	f.until(string(order(2, "new").Data))
	f.conn.Close()
	s.send(t, orders(3, 2)...)
	f.query = token(3)
	f.connect()
	f.wantRecovered(true)
	f.until(string(order(4, "new").Data))
	other.until(string(order(4, "new").Data))
	if len(f.got) != 5 || len(other.got) != 5 {
		t.Errorf("%d and %d messages, want 5", len(f.got), len(other.got))
	}
}

// TestRightsFailClosed: a value that cannot be compared shows no event, also negated.
func TestRightsFailClosed(t *testing.T) {
	order := func(id string) string { return fmt.Sprintf(`{"order":{"customer_id":%s}}`, id) }
	for _, c := range []struct {
		rule   string
		claims jwt.MapClaims
		end    string
		shown  []string
		hidden []string
	}{
		{
			`!(order.customer_id in claims.blocked)`, jwt.MapClaims{"blocked": []int{7}}, order("9"),
			[]string{order("8"), order("70"), order("7.5")},
			[]string{order("7"), order("7.0"), order("7e0"), order("70e-1"), order(`"7"`), order("null"), order("[7]"), order("{}"), `{"order":{}}`, `{"order":null}`, `{}`, `[]`, `no json`},
		},
		{
			`get(claims, "sub") == order?.customer_id || order.open`, jwt.MapClaims{}, `{"order":{"open":true}}`, nil,
			[]string{`{"order":{"customer_id":null}}`, `{"order":{}}`, `{"order":null}`, `{}`, order("7"), order(`""`)},
		},
	} {
		got := visiblePayloads(t, c.rule, c.claims, append(append(slices.Clone(c.hidden), c.shown...), c.end)...)
		if !slices.Equal(got, c.shown) {
			t.Errorf("%s with %v shows\n%s\nwant\n%s", c.rule, c.claims, strings.Join(got, "\n"), strings.Join(c.shown, "\n"))
		}
	}
}

// TestRowLeavingRightsIsAnnounced: a client whose rights show the old row only gets a leave message, live and from the
// history, without the new row.
func TestRowLeavingRightsIsAnnounced(t *testing.T) {
	change := func(old, now string) string {
		return fmt.Sprintf(`{"operation":"UPDATE","table":"orders","secret":"of the new row","old":%s,"new":%s}`, old, now)
	}
	own, other, without := `{"id":1,"owner":7,"open":1}`, `{"id":1,"owner":8,"open":1}`, `{"id":1,"owner":null}`
	leave := `{"type":"leave","message":{"operation":"UPDATE","table":"orders","old":` + own + `,"new":null}}`
	payloads := []string{
		change(own, other), change(own, without), change(own, "null"), change(own, `{"id":1}`), change(own, `{"id":1,"owner":[7]}`),
		change(other, without), change(without, other), change("null", other), change(without, without), change(`{"id":1}`, other),
		change(other, own), change("null", own), change(own, own),
	}
	want := []string{leave, leave, leave, leave, leave, change(other, own), change("null", own)}
	for _, rule := range []string{"new.owner == claims.id", "new.owner == claims.id && true", "!(new.owner != claims.id)"} {
		if got := visiblePayloads(t, rule, jwt.MapClaims{"id": 7}, payloads...); !slices.Equal(got, want) {
			t.Errorf("%s shows\n%s\nwant\n%s", rule, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestFilterCannotReadHiddenRow: a filter is evaluated for the old row only when the rights hide the new row.
func TestFilterCannotReadHiddenRow(t *testing.T) {
	const payload = `{"operation":"UPDATE","secret":"new","old":{"owner":7,"status":"open"},"new":{"owner":8,"status":"paid"},"new":{"owner":9}}`
	for _, rule := range []string{"new.owner == claims.id", "new.owner == claims.id && true"} {
		var o Options
		if err := o.Authorize.UnmarshalText([]byte(rule)); err != nil {
			t.Fatal(err)
		}
		for filter, want := range map[string]int{
			`old.status == "open"`: matchLeave, `new.status == "open"`: matchLeave, `operation == "UPDATE"`: matchLeave, `new.owner == 7`: matchLeave, `event.channel == "c"`: matchLeave,
			`new.owner == 9`: matchNone, `secret == "new"`: matchNone, `payload.secret == "new"`: matchNone, `event.key == "k"`: matchNone, `event.attrs.a == "x"`: matchNone, `event.id == "1"`: matchNone, `new.status == "paid"`: matchNone, `new == nil`: matchNone,
		} {
			allowed, err := rightsOf(o.Authorize, map[string]any{"id": 7.0})
			if err != nil {
				t.Fatal(err)
			}
			s := subscription{rights: allowed, protocol: true}
			if s.filter, err = expr.CompileFilter(filter); err != nil {
				t.Fatal(err)
			}
			h := newHub(o, newMetrics(), time.Now, plugintest.Env(t).Go)
			p := &storedEvent{Event: event.Event{ID: "1", Channel: "c", Key: "k", Attrs: []event.Attr{{Name: "a", Value: "x"}}, Data: []byte(payload)}}
			v := h.match(&evaluation{Evaluator: &h.eval}, &topic{subscription: s}, p)
			if v.kind != want || want == matchLeave && string(v.row) != `{"operation":"UPDATE","old":{"owner":7,"status":"open"},"new":null}` {
				t.Errorf("%s, %s: %d, %s", rule, filter, v.kind, v.row)
			}
		}
	}
}

// TestClaimsCompareAsText: an equality with one claim compares as text.
func TestClaimsCompareAsText(t *testing.T) {
	order := func(id string) string { return `{"order":{"id":` + id + `}}` }
	all := []string{"7", "7.0", "70e-1", `"7"`, `"7.0"`, `"07"`, `" 7"`, "true", `"true"`, "null", `""`, "[7]", "{}", "8", `"\u0037"`, "7.5"}
	for rule, want := range map[string][]string{
		"order.id == claims.id": {"7", "7.0", "70e-1", `"7"`, `"\u0037"`}, "order.id == claims.sub": {"7", "7.0", "70e-1", `"7"`, `"\u0037"`},
		"order.id == claims.id && true": {"7", "7.0", "70e-1"}, "order.id == claims.sub && true": {`"7"`, `"\u0037"`}, "string(order.id) == claims.sub && true": {"7", "7.0", "70e-1", `"7"`, `"\u0037"`},
		"order.id != claims.id": {"8", "7.5"}, "order.id not in claims.ids": {"8", "7.5"},
		"order.id == claims.yes": {"true"}, "claims.yes && order.id == claims.yes": {"true"},
	} {
		var payloads, shown []string
		for _, id := range all {
			payloads = append(payloads, order(id))
		}
		for _, id := range want {
			shown = append(shown, order(id))
		}
		last := map[string]string{"order.id != claims.id": "9", "order.id not in claims.ids": "9", "order.id == claims.yes": " true", "claims.yes && order.id == claims.yes": " true", "order.id == claims.sub && true": ` "7"`}[rule]
		if last == "" {
			last = " 7"
		}
		got := visiblePayloads(t, rule, jwt.MapClaims{"id": 7, "sub": "7", "ids": []any{7}, "yes": true}, append(payloads, order(last))...)
		if !slices.Equal(got, shown) {
			t.Errorf("%s shows %q, want %q", rule, got, shown)
		}
	}
}
