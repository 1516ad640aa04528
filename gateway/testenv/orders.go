package testenv

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// OldTrigger is the table and the trigger of the old system. Users have them in their databases, so they must work
// unchanged.
const OldTrigger = `
CREATE TABLE IF NOT EXISTS orders (
  id SERIAL PRIMARY KEY,
  customer_name VARCHAR(255),
  product_name VARCHAR(255),
  status VARCHAR(50),
  amount DECIMAL(10,2),
  created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
  updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
);
CREATE OR REPLACE FUNCTION notify_order_changes() RETURNS trigger AS $$
BEGIN
  PERFORM pg_notify('orders_channel', json_build_object('operation', TG_OP,
    'order', CASE WHEN TG_OP = 'DELETE' THEN row_to_json(OLD) ELSE row_to_json(NEW) END)::text);
  RETURN COALESCE(NEW, OLD);
END;
$$ LANGUAGE plpgsql;
DROP TRIGGER IF EXISTS orders_notify_trigger ON orders;
CREATE TRIGGER orders_notify_trigger AFTER INSERT OR UPDATE OR DELETE ON orders
  FOR EACH ROW EXECUTE FUNCTION notify_order_changes();
`

// OrdersTable creates an empty table orders with [OldTrigger], and returns a
// connection to its database.
func OrdersTable(t testing.TB) *pgx.Conn {
	t.Helper()
	conn := Connect(t)
	if _, err := conn.Exec(Context(t), "DROP TABLE IF EXISTS orders;"+OldTrigger); err != nil {
		t.Fatal(err)
	}
	return conn
}

// Connect returns a connection to the package's PostgreSQL server.
func Connect(t testing.TB) *pgx.Conn {
	t.Helper()
	return connect(t, Postgres(t).URL())
}

// connect returns a session, which ends with the test.
func connect(t testing.TB, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(Context(t), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// Notify sends payload to channel.
func Notify(t testing.TB, conn *pgx.Conn, channel, payload string) {
	t.Helper()
	if _, err := conn.Exec(Context(t), "SELECT pg_notify($1, $2)", channel, payload); err != nil {
		t.Fatal(err)
	}
}
