package postgreswal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// A backfill reads the rows of a table again. A command writes a message into the WAL, and the running source begins a
// snapshot of the table when it reads that message. So a source that is down begins it later, and a restarted one does not begin it twice.

// backfillPrefix is the prefix of the message. Any role can write such a message. So the source accepts only a text that is also in
// the row of the slot in gateway.wal_reader, which few may write. There it stands with the table.
const backfillPrefix = "gateway.backfill"

// backfillSQL writes the message for the slot $1 and the table $2. The row holds the latest 20 messages.
const backfillSQL = `WITH asked AS (UPDATE gateway.wal_reader SET backfills = (backfills || (gen_random_uuid()::text || ' ' || $2::text))[greatest(cardinality(backfills) - 18, 1):] WHERE slot = $1 RETURNING backfills)
	SELECT pg_logical_emit_message(true, '` + backfillPrefix + `', left(backfills[cardinality(backfills)], 36))::text FROM asked`

// runBackfill is `gateway wal backfill`: it requests that the reader of a slot reads tables again.
func runBackfill(ctx context.Context, in plugin.Invocation, raw, slot string, tables []pgtrigger.Table) error {
	if len(tables) == 0 {
		return errors.New("--table is required: gateway wal backfill --table orders")
	}
	conn, url, err := pgtrigger.Connect(ctx, in, raw, "wal")
	if err != nil {
		return err
	}
	defer pgconn.Close(conn)
	if err := pgconn.InTx(ctx, conn, func(tx pgx.Tx) error { return askBackfill(ctx, tx, slot, tables) }); err != nil {
		return fmt.Errorf("at %s: %w", url, err)
	}
	for _, table := range tables {
		if _, err := fmt.Fprintf(in.Out, "the source of the slot %s reads the rows of %s again, when it runs; its log tells how far it is\n", slot, table.Qualified()); err != nil {
			return err
		}
	}
	return nil
}

// askBackfill writes a message for each table.
func askBackfill(ctx context.Context, tx pgx.Tx, slot string, tables []pgtrigger.Table) error {
	for _, table := range tables {
		var found bool
		if err := tx.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", table.String()).Scan(&found); err != nil {
			return fmt.Errorf("cannot find the table %s: %w", table.Qualified(), err)
		}
		if !found {
			return fmt.Errorf("there is no table %s", table.Qualified())
		}
		var lsn string
		err := tx.QueryRow(ctx, backfillSQL, slot, table.Qualified()).Scan(&lsn)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return fmt.Errorf("no source has read the slot %s: gateway wal list shows all", slot)
		case err != nil:
			return fmt.Errorf("cannot ask the reader of the slot %s: %w", slot, err)
		}
	}
	return nil
}

// startBackfill begins the snapshot of a table again, if the command has written the message. If the table cannot be read, it reports
// that, and the stream goes on.
func (r *reader) startBackfill(ctx context.Context, text string) error {
	if err := r.awaitVisible(ctx); err != nil {
		return err
	}
	asking, cancel := r.withTimeout(ctx)
	defer cancel()
	var entry string
	err := r.conn.QueryRow(asking, "SELECT b FROM gateway.wal_reader r, unnest(r.backfills) b WHERE r.slot = $1 AND starts_with(b, $2)", r.s.opts.Slot, text).Scan(&entry)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read which table is read again: %w", err)
	}
	table := strings.TrimPrefix(entry, text+" ")
	again := int64(r.tx.lsn) // of the message's transaction
	if r.snapshot.Tables[table].Again >= again {
		return nil // the server has sent the message again, and its snapshot has begun before
	}
	if len(r.s.tables) > 0 && !r.s.tables[table] {
		r.s.reportOnce(r.out, fmt.Errorf("the rows of %s are not read again: the table is not in tables", table))
		return nil
	}
	if err := r.checkTable(ctx, table); err != nil {
		if ctx.Err() != nil || plugin.IsUnavailable(pgconn.Unavailable(err)) {
			return err
		}
		r.s.reportOnce(r.out, fmt.Errorf("the rows are not read again: %w", err))
		return nil
	}
	begins := !r.snapshot.unfinished
	if r.chunk != nil && r.chunk.Table == table {
		r.chunk = nil
	}
	if err := r.startReading(ctx, table, again); err != nil || !begins {
		return err
	}
	return r.startUnseen(ctx)
}
