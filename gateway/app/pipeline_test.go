package app

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/gorilla/websocket"

	"eventgateway/gateway/testenv"
)

// stamped matches a published message: the payload's object without its closing brace, the
// time, and the number.
var stamped = regexp.MustCompile(`^(.*),"_published_at":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)","_source":"postgres_notify","_pub_id":(\d+)}$`)

// unstamp checks the three fields and returns the object that was published, and
// its number.
func unstamp(t *testing.T, frame string) (object string, id int) {
	t.Helper()
	m := stamped.FindStringSubmatch(frame)
	if m == nil {
		t.Fatalf("not a published message: %s", frame)
	}
	if !json.Valid([]byte(frame)) {
		t.Fatalf("not JSON: %s", frame)
	}
	fmt.Sscan(m[3], &id)
	return m[1] + "}", id
}

// TestOrdersReachBrowsersByteForByte proves that the bytes of an order are the same in PostgreSQL and at a client.
func TestOrdersReachBrowsersByteForByte(t *testing.T) {
	db := testenv.OrdersTable(t)
	redis := testenv.RedisClient(t)
	ctx := testenv.Context(t)
	if err := redis.Set(ctx, "orders:msg_id", 41, 0).Err(); err != nil {
		t.Fatal(err)
	}
	r := startLeading(t, nil)
	c := r.connect()
	consumer := redis.Subscribe(ctx, "orders_updates")
	defer consumer.Close()
	if _, err := consumer.Receive(ctx); err != nil {
		t.Fatal(err)
	}

	const row = `{"id":9007199254740993,"customer_name":"Zoë <b>\"O'Neil\"</b>","product_name":"häkchen ✓","status":"pending","amount":10.50,"created_at":"2024-01-02T03:04:05.678901","updated_at":null}`
	if _, err := db.Exec(ctx, `ALTER TABLE orders ALTER id TYPE bigint`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(ctx, `INSERT INTO orders SELECT * FROM json_populate_record(null::orders, $1)`, row); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(ctx, `UPDATE orders SET amount = 12345678.90`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec(ctx, `DELETE FROM orders`); err != nil {
		t.Fatal(err)
	}
	updated := strings.Replace(row, "10.50", "12345678.90", 1)
	for i, want := range []string{
		`{"operation" : "INSERT", "order" : ` + row + `}`,
		`{"operation" : "UPDATE", "order" : ` + updated + `}`,
		`{"operation" : "DELETE", "order" : ` + updated + `}`,
	} {
		kind, frame := c.nextFrame()
		got, id := unstamp(t, string(frame))
		if got != want {
			t.Errorf("frame %d:\n got %s\nwant %s", i, got, want)
		}
		if id != 42+i || kind != websocket.TextMessage {
			t.Errorf("frame %d: _pub_id %d, kind %d; want %d and text", i, id, kind, 42+i)
		}
		msg, err := consumer.ReceiveMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if msg.Payload != string(frame) {
			t.Errorf("Redis consumers got %s, WebSocket clients %s", msg.Payload, frame)
		}
	}
}

// TestPayloadsThatAreNoObject proves that such payloads are wrapped.
func TestPayloadsThatAreNoObject(t *testing.T) {
	db := testenv.Connect(t)
	r := startLeading(t, nil)
	c := r.connect()
	long := `{"operation":"INSERT","order":{"note":"` + strings.Repeat("x", 7999-42) + `"}}`
	if len(long) != 7999 {
		t.Fatalf("the longest payload has %d bytes", len(long))
	}
	for _, tc := range []struct{ payload, want string }{
		{"42", `{"operation":"UNKNOWN","raw":"42"}`},
		{"null", `{"operation":"UNKNOWN","raw":"null"}`},
		{`"text"`, `{"operation":"UNKNOWN","raw":"\"text\""}`},
		{`[1,2]`, `{"operation":"UNKNOWN","raw":"[1,2]"}`},
		{"not json & <b>", `{"operation":"UNKNOWN","raw":"not json & <b>"}`},
		{`{"half":`, `{"operation":"UNKNOWN","raw":"{\"half\":"}`},
		{"{}", `{}`},
		{`{"a":1.50,"a":00}`, `{"operation":"UNKNOWN","raw":"{\"a\":1.50,\"a\":00}"}`},
		{`{"a":1.50,"a":1e400,"z":123456789012345678901234567890}`, `{"a":1.50,"a":1e400,"z":123456789012345678901234567890}`},
		{long, long},
	} {
		testenv.Notify(t, db, "orders_channel", tc.payload)
		frame := c.next()
		if tc.want == "{}" { // no comma before the first field
			if !strings.HasPrefix(frame, `{"_published_at":`) || !json.Valid([]byte(frame)) {
				t.Errorf("%s became %s", tc.payload, frame)
			}
			continue
		}
		got, id := unstamp(t, frame)
		if got != tc.want {
			t.Errorf("%s became %s, want %s", tc.payload, got, tc.want)
		}
		var read struct {
			ID     int    `json:"_pub_id"`
			Source string `json:"_source"`
		}
		if err := json.Unmarshal([]byte(frame), &read); err != nil || read.ID != id || read.Source != "postgres_notify" {
			t.Errorf("a reader of %s sees %+v, %v", frame, read, err)
		}
	}
}

// TestGatewayFieldsReplaceThoseOfPayload proves that the fields that the gateway adds replace those of the payload.
func TestGatewayFieldsReplaceThoseOfPayload(t *testing.T) {
	db := testenv.Connect(t)
	r := startLeading(t, nil)
	c := r.connect()
	testenv.Notify(t, db, "orders_channel", `{"_pub_id":-7,"_source":"me","a":1.50}`)
	frame := c.next()
	var read struct {
		ID     int    `json:"_pub_id"`
		Source string `json:"_source"`
	}
	if err := json.Unmarshal([]byte(frame), &read); err != nil || read.ID <= 0 || read.Source != "postgres_notify" || !strings.Contains(frame, `,"a":1.50,`) {
		t.Errorf("a reader of %s sees %+v, %v", frame, read, err)
	}
}

// TestClientProtocol proves the messages of the first protocol.
func TestClientProtocol(t *testing.T) {
	r := startLeading(t, nil)
	c := r.connect()
	for _, msg := range []string{"nonsense", `{"type":"subscribe"}`, `{"type":"ping","timestamp":1700000000000.50}`} {
		if err := c.WriteMessage(websocket.TextMessage, []byte(msg)); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.next(); !strings.HasPrefix(got, `{"type":"pong","timestamp":1700000000000.50,`) {
		t.Errorf("answer to a ping: %s", got)
	}
	other, _, err := websocket.DefaultDialer.Dial("ws://127.0.0.1:"+r.port+"/any/path?x=1", nil)
	if err != nil {
		t.Fatalf("the old server upgraded on every path: %v", err)
	}
	other.Close()
}

// TestBytesFromRedisArriveUnchanged proves that any bytes from Redis reach clients unchanged.
func TestBytesFromRedisArriveUnchanged(t *testing.T) {
	redis := testenv.RedisClient(t)
	r := startLeading(t, nil)
	c := r.connect()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	for _, tc := range []struct {
		payload string
		kind    int
	}{
		{"", websocket.TextMessage},
		{"\x00", websocket.TextMessage},
		{string(every), websocket.BinaryMessage},
		{"\xff\xfe", websocket.BinaryMessage},
		{strings.Repeat("é", 100_000), websocket.TextMessage},
		{strings.Repeat("\xf0\x28\x8c\x28", 20_000), websocket.BinaryMessage},
		{`{"still":"alive"}`, websocket.TextMessage},
	} {
		if err := redis.Publish(testenv.Context(t), "orders_updates", tc.payload).Err(); err != nil {
			t.Fatal(err)
		}
		kind, msg := c.nextFrame()
		if kind != tc.kind || string(msg) != tc.payload {
			t.Errorf("%.40q arrived as %.40q of kind %d, want kind %d", tc.payload, msg, kind, tc.kind)
		}
	}
}
