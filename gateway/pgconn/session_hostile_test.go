package pgconn

import (
	"io"
	"net"
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"

	"github.com/jackc/pgx/v5"
)

// answering returns a connection to a server that lets everybody log in, and has answer for each
// statement.
func answering(t *testing.T, answer string) (*pgx.Conn, *pgx.ConnConfig) {
	t.Helper()
	addr := testenv.Serve(t, func(conn net.Conn) {
		greet := "R\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I"
		for b := make([]byte, 4096); ; greet = answer + "Z\x00\x00\x00\x05I" {
			if _, err := conn.Read(b); err != nil {
				return
			}
			if _, err := io.WriteString(conn, greet); err != nil {
				return
			}
		}
	})
	config, err := Config(options.NewURL("postgres://x@"+addr+"/x?sslmode=disable"), "test")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(testenv.Context(t), config.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Close(conn) })
	return conn, config.ConnConfig
}

// TestVerifyWithInvalidAnswers proves that answers that no PostgreSQL gives are errors, and no panics.
func TestVerifyWithInvalidAnswers(t *testing.T) {
	row := func(value string) string {
		return "T\x00\x00\x00\x1a\x00\x01p\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x17\x00\x04\xff\xff\xff\xff\x00\x00" +
			"D\x00\x00\x00" + string(rune(10+len(value))) + "\x00\x01\x00\x00\x00" + string(rune(len(value))) + value + "C\x00\x00\x00\x0dSELECT 1\x00"
	}
	for name, answer := range map[string]string{"nothing": "", "an empty query": "I\x00\x00\x00\x04", "no number": row("a secret")} {
		conn, config := answering(t, answer)
		if _, err := VerifySession(testenv.Context(t), conn, config); err == nil || !strings.Contains(err.Error(), "does not return the pid of the session") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
