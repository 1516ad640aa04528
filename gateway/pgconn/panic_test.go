package pgconn

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/testenv"
)

// TestPanicInSecondSession proves that a panic in the goroutine of the second session is an error of
// the check.
func TestPanicInSecondSession(t *testing.T) {
	config, err := Config(options.NewURL(testenv.Postgres(t).URL()), "test")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.ConnectConfig(testenv.Context(t), config.ConnConfig)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(conn)
	harmed := config.Copy()
	harmed.DialFunc = func(context.Context, string, string) (net.Conn, error) { panic("planted") }
	err = echoFromSecondSession(testenv.Context(t), conn, harmed.ConnConfig, conn.PgConn().PID(), "panics")
	var p *plugin.PanicError
	if !errors.As(err, &p) || p.Value != "planted" {
		t.Errorf("%v", err)
	}
}
