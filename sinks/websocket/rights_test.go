package websocket

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"

	"eventgateway/gateway/event"
	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

const rightsSecret = "ssssssssssssssssssssssssssssssss"

// seen returns what a client with claims gets of payloads under a rule, up to the last one,
// which it must get.
func seen(t *testing.T, rule string, claims jwt.MapClaims, payloads ...string) []string {
	t.Helper()
	s, server := newSink(t, func(o *Options) {
		o.Auth.JWT = JWT{Algorithm: "HS256", Key: options.NewSecret(rightsSecret)}
		if err := o.Authorize.UnmarshalText([]byte(rule)); err != nil {
			t.Fatal(err)
		}
	}, httptest.NewServer)
	claims["exp"] = soon()
	token := bearerHeader(signed(t, jwt.SigningMethodHS256, []byte(rightsSecret), claims, ""))
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

// readTo returns the messages up to the one called last, without it.
func readTo(t *testing.T, conn *websocket.Conn, last string) (got []string) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(testenv.Wait))
	for {
		_, msg, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("%v, after %q", err, got)
		}
		if string(msg) == last {
			return got
		}
		got = append(got, string(msg))
	}
}

// awaitTopics waits until n topics are left beside the main one.
func awaitTopics(t *testing.T, s *sink, n int) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		s.hub.mu.Lock()
		is := len(s.hub.topics)
		s.hub.mu.Unlock()
		if is == n {
			return
		}
		if time.Since(begin) > testenv.Wait {
			t.Fatalf("%d topics, want %d", is, n)
		}
	}
}

// TestRightsFailClosed: what cannot be compared shows nothing, negated neither.
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
		got := seen(t, c.rule, c.claims, append(append(slices.Clone(c.hidden), c.shown...), c.end)...)
		if !slices.Equal(got, c.shown) {
			t.Errorf("%s with %v shows\n%s\nwant\n%s", c.rule, c.claims, strings.Join(got, "\n"), strings.Join(c.shown, "\n"))
		}
	}
}

// TestRowsThatLeaveTheView: a client that may see a row as it was, and not as it is, is told
// that it has left, live and from the history; of what has become of it, it is told nothing.
func TestRowsThatLeaveTheView(t *testing.T) {
	change := func(old, now string) string {
		return fmt.Sprintf(`{"operation":"UPDATE","table":"orders","secret":"of the new row","old":%s,"new":%s}`, old, now)
	}
	mine, theirs, nobodys := `{"id":1,"owner":7,"open":1}`, `{"id":1,"owner":8,"open":1}`, `{"id":1,"owner":null}`
	leave := `{"type":"leave","message":{"operation":"UPDATE","table":"orders","old":` + mine + `,"new":null}}`
	payloads := []string{
		change(mine, theirs), change(mine, nobodys), change(mine, "null"), change(mine, `{"id":1}`), change(mine, `{"id":1,"owner":[7]}`),
		change(theirs, nobodys), change(nobodys, theirs), change("null", theirs), change(nobodys, nobodys), change(`{"id":1}`, theirs),
		change(theirs, mine), change("null", mine), change(mine, mine),
	}
	want := []string{leave, leave, leave, leave, leave, change(theirs, mine), change("null", mine)}
	for _, rule := range []string{"new.owner == claims.id", "new.owner == claims.id && true", "!(new.owner != claims.id)"} {
		if got := seen(t, rule, jwt.MapClaims{"id": 7}, payloads...); !slices.Equal(got, want) {
			t.Errorf("%s shows\n%s\nwant\n%s", rule, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
