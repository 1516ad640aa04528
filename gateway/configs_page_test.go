package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
)

// livePage proves that a page gets the orders of its customer, then their changes, and sees who is there.
func livePage(t *testing.T, file string) {
	t.Run("servers", func(t *testing.T) {
		db := testenv.OrdersTable(t)
		dropOutbox(t)
		t.Cleanup(func() { dropOutbox(t) })
		servers := realServers(t)
		if code := startBinary(t, servers, "sql", "--mode", "outbox", "--table", "orders", "--apply").exit(testenv.Wait); code != 0 {
			t.Fatalf("gateway sql: exit status %d", code)
		}
		p := startBinary(t, servers, "-c", file)
		p.awaitLeading()
		usePage(t, p, db)
	})
	t.Run("embedded servers", func(t *testing.T) {
		p := startBinary(t, map[string]string{"PATH": os.Getenv("PATH")}, "-c", file)
		p.awaitLeading()
		database := regexp.MustCompile(`psql '(.*?)'`).FindStringSubmatch(p.stderr.String())
		if database == nil {
			t.Fatalf("the gateway does not say where its database is: %s", p.stderr.String())
		}
		usePage(t, p, testenv.ConnectURL(t, database[1]))
	})
}

func usePage(t *testing.T, p *program, db *pgx.Conn) {
	exec := func(sql string) {
		t.Helper()
		if _, err := db.Exec(testenv.Context(t), sql); err != nil {
			t.Fatal(err)
		}
	}
	exec("INSERT INTO orders (id, customer_name, amount) VALUES (101, 'Ada', 1.50), (102, 'Bob', 2.50)")
	claims := jwt.MapClaims{"sub": "Ada", "exp": time.Now().Add(time.Hour).Unix()}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte("for a first look: set CLIENT_SECRET"))
	if err != nil {
		t.Fatal(err)
	}
	rows, position := pageSnapshot(t, p, token)
	if len(rows) != 1 || !strings.Contains(rows[0], `"id":101,`) {
		t.Errorf("the rows are %q", rows)
	}
	dialer := websocket.Dialer{Subprotocols: []string{"eventgateway.v2", "bearer." + token}}
	conn, _, err := dialer.Dial("ws://127.0.0.1:"+p.port+"/live?channel=customer:Ada&"+position.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"subscribe","id":"l","channels":["lobby"],"presence":true}`)); err != nil {
		t.Fatal(err)
	}
	exec("UPDATE orders SET status = 'paid' WHERE id IN (101, 102)")
	exec("UPDATE orders SET customer_name = 'Bob' WHERE id = 101")
	readAll(t, conn, `"recovered":true`, `"status":"paid"`, `"type":"leave"`, `"subjects":["Ada"]`)
}

// readAll reads messages until each text was in one of them. None may be of an order of Bob.
func readAll(t *testing.T, conn *websocket.Conn, wants ...string) {
	t.Helper()
	for len(wants) > 0 {
		conn.SetReadDeadline(time.Now().Add(testenv.Wait))
		_, text, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("waiting for %q: %v", wants, err)
		}
		if strings.Contains(string(text), "Bob") {
			t.Errorf("Ada gets %s", text)
		}
		wants = slices.DeleteFunc(wants, func(want string) bool { return strings.Contains(string(text), want) })
	}
}

// pageSnapshot returns the orders of Ada, and the position from which she subscribes to their changes.
func pageSnapshot(t *testing.T, p *program, token string) (rows []string, position url.Values) {
	t.Helper()
	req, err := http.NewRequestWithContext(testenv.Context(t), "GET", "http://127.0.0.1:"+p.port+"/live?snapshot=orders&channel=customer:Ada", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	in := bufio.NewScanner(resp.Body)
	for in.Scan() {
		rows = append(rows, in.Text())
	}
	if err := in.Err(); err != nil || resp.StatusCode != 200 || len(rows) < 2 || !strings.HasPrefix(rows[len(rows)-1], `{"complete":true`) {
		t.Fatalf("%s: %q, %v", resp.Status, rows, err)
	}
	var at struct {
		Epoch        string
		Offset, Seen json.RawMessage
	}
	if err := json.Unmarshal([]byte(rows[0]), &at); err != nil {
		t.Fatal(err)
	}
	return rows[1 : len(rows)-1], url.Values{"epoch": {at.Epoch}, "offset": {strings.Trim(string(at.Offset), `"`)}, "seen": {string(at.Seen)}}
}
