package sourcetest

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
)

// Change is a payload with output: change.
type Change struct {
	Operation, Table string
	ID               json.RawMessage
	At               time.Time
	Old, New         map[string]any
}

// ChangeOf returns the payload of an event.
func ChangeOf(t testing.TB, e *event.Event) (c Change) {
	t.Helper()
	if err := json.Unmarshal(e.Data, &c); err != nil {
		t.Fatalf("%s: %v", e.Data, err)
	}
	return c
}

// Row returns the new row, or the old one of a DELETE.
func (c Change) Row() map[string]any {
	if c.New != nil {
		return c.New
	}
	return c.Old
}

// Join returns the texts of events, each with a space behind it.
func Join(events []*event.Event, text func(*event.Event) string) string {
	var out strings.Builder
	for _, e := range events {
		out.WriteString(text(e) + " ")
	}
	return out.String()
}

// Operation returns the operation of an event.
func Operation(e *event.Event) string {
	operation, _ := e.Attr("operation")
	return operation
}

// KeyAttrs returns the key of an event and the attributes that order it.
func KeyAttrs(e *event.Event) string {
	out := e.Key
	for _, name := range []string{event.AttrKeyBefore, event.AttrBarrier} {
		if value, ok := e.Attr(name); ok {
			out += " " + name + "=" + value
		}
	}
	return out
}

// Exec executes SQL. Several statements are one transaction, unless they begin one.
func Exec(t testing.TB, db *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := db.Exec(testenv.Context(t), sql, args...); err != nil {
		t.Fatalf("%v: %.500s", err, sql)
	}
}

// EnvInt returns the number in an environment variable, which repeats or enlarges a test.
func EnvInt(t testing.TB, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", name, err))
	}
	return n
}
