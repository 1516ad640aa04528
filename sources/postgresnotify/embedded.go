package postgresnotify

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
)

// ordersTrigger is the trigger of the order pipeline, on the table of the embedded server.
var ordersTrigger = pgtrigger.Notify{Table: pgtrigger.Table{Schema: "public", Name: "orders"}, Channel: "orders_channel", Field: "order"}

// createTrigger creates the trigger, once, in an embedded database.
func (s *source) createTrigger(ctx context.Context, conn *pgx.Conn) error {
	if s.triggerCreated || !s.opts.URL.FromEmbedded() || !slices.Contains(s.opts.Channels, ordersTrigger.Channel) {
		return nil
	}
	timed, cancel := context.WithTimeout(ctx, pgconn.ConnectTimeout)
	defer cancel()
	if _, err := conn.Exec(timed, ordersTrigger.CreateSQL()); err != nil {
		return fmt.Errorf("cannot create the trigger of the table orders: %w", err)
	}
	s.triggerCreated = true
	return nil
}
