package postgresnotify

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv"
)

// TestPanicInFetchEndsRun proves that Run returns a panic of a fetch, after the event was emitted.
func TestPanicInFetchEndsRun(t *testing.T) {
	const channel = "panics"
	db := testenv.Connect(t)
	exec(t, db, `DROP TABLE IF EXISTS panics; CREATE TABLE panics (id int PRIMARY KEY, note text)`)
	exec(t, db, pgtrigger.Notify{Table: pgtrigger.Table{Schema: "public", Name: "panics"}, Channel: channel, Field: "order"}.CreateSQL())
	o := Type().Defaults().(*Options)
	o.URL, o.Channels = options.NewURL(testenv.Postgres(t).URL()), []string{channel}
	impl, err := Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	s := impl.(*source)
	var listens atomic.Bool
	dial := s.conn.DialFunc
	s.conn.DialFunc = pgconn.DialFunc(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if listens.Load() {
			panic("planted")
		}
		return dial(ctx, network, addr)
	})
	out := collect{ready: make(chan struct{}), payloads: make(chan string, 10)}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(testenv.Context(t), out) }()
	<-out.ready
	listens.Store(true)
	exec(t, db, `INSERT INTO panics VALUES (7, repeat('x', 9000))`)
	err = <-ended
	var p *plugin.PanicError
	if !errors.As(err, &p) || p.Value != "planted" {
		t.Errorf("Run: %v", err)
	}
	select {
	case got := <-out.payloads:
		if !strings.Contains(got, "7") {
			t.Errorf("%s", got)
		}
	default:
		t.Error("the event is lost")
	}
}
