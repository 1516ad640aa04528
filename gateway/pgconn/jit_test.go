package pgconn_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/testenv"
)

// TestQueriesOfTheCatalogAreNotCompiled proves that the server does not compile a query of the catalog, which takes seconds on a busy machine. It
// does so for each query that it expects to be costly, unless the session has disabled that. The servers of other tests never do.
func TestQueriesOfTheCatalogAreNotCompiled(t *testing.T) {
	conn := testenv.Connect(t)
	ctx := testenv.Context(t)
	for name, prepare := range map[string]func(tx pgx.Tx) error{
		"owners of a table": func(tx pgx.Tx) error { return pgconn.CheckOwnersTrusted(ctx, tx, 1259, nil) },
		"a long session": func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, pgconn.LongSessionSQL)
			return err
		},
	} {
		if _, err := conn.Exec(ctx, "SET jit = on"); err != nil {
			t.Fatal(err)
		}
		err := pgconn.InTx(ctx, conn, func(tx pgx.Tx) error {
			if err := prepare(tx); err != nil {
				return err
			}
			var jit string
			err := tx.QueryRow(ctx, "SHOW jit").Scan(&jit)
			if jit != "off" {
				t.Errorf("%s: jit is %q", name, jit)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
