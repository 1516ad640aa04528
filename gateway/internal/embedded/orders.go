package embedded

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// ordersSQL creates the table of the default configuration.
//
//go:embed orders.sql
var ordersSQL string

// createOrders creates the table orders where there is none.
func (p *Postgres) createOrders(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL()+p.overrides())
	if err != nil {
		return fmt.Errorf("cannot connect to the embedded PostgreSQL: %w", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, ordersSQL); err != nil {
		return fmt.Errorf("cannot create the table orders: %w", err)
	}
	return nil
}

// changeOrderSQL inserts, updates or deletes a random order.
const changeOrderSQL = `
WITH dice AS (SELECT random() AS n, (SELECT id FROM orders ORDER BY random() LIMIT 1) AS picked),
inserted AS (
  INSERT INTO orders (customer_name, product_name, status, amount)
  SELECT (ARRAY['Ada Lovelace','Grace Hopper','Edsger Dijkstra','Barbara Liskov','Alan Turing','Katherine Johnson'])[1 + floor(random() * 6)],
         (ARRAY['Keyboard','Monitor','Desk lamp','Notebook','Chair','Coffee'])[1 + floor(random() * 6)], 'pending', round((random() * 500 + 1)::numeric, 2)
  FROM dice WHERE picked IS NULL OR n < 0.5 RETURNING id),
updated AS (
  UPDATE orders SET status = (ARRAY['paid','packed','shipped','delivered'])[1 + floor(random() * 4)], updated_at = now()
  FROM dice WHERE id = picked AND n >= 0.5 AND n < 0.85 RETURNING id)
DELETE FROM orders USING dice WHERE id = picked AND n >= 0.85`

// ChangeOrder makes one random change in the table orders, which the dashboard shows.
func (s *Servers) ChangeOrder(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, s.PostgresURL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, changeOrderSQL)
	return err
}
