package postgresnotify

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
)

// orders is the trigger of the order pipeline, on the table that the private server has.
var ordersTrigger = pgtrigger.Notify{Table: pgtrigger.Table{Schema: "public", Name: "orders"}, Channel: "orders_channel", Field: "order"}

// prepare makes the trigger, once, in a database that is the gateway's own.
func (s *source) createTrigger(ctx context.Context, conn *pgx.Conn) error {
	if s.triggerCreated || !s.opts.URL.FromEmbedded() || !slices.Contains(s.opts.Channels, ordersTrigger.Channel) {
		return nil
	}
	timed, cancel := context.WithTimeout(ctx, pgconn.ConnectTimeout)
	defer cancel()
	if _, err := conn.Exec(timed, ordersTrigger.CreateSQL()); err != nil {
		return fmt.Errorf("cannot make the trigger of the table orders: %w", err)
	}
	s.triggerCreated = true
	return nil
}
