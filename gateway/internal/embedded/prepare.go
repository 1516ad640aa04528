package embedded

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ordersSQL makes the table that the default configuration watches.
//
//go:embed orders.sql
var ordersSQL string

// prepare makes the table orders where there is none.
func (p *Postgres) prepare(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL()+p.sealed())
	if err != nil {
		return fmt.Errorf("cannot connect to the private PostgreSQL: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, ordersSQL); err != nil {
		return fmt.Errorf("cannot make the table orders: %w", err)
	}
	return nil
}
