package postgresoutbox

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
)

// rewoundError means that the database went back, so that the cursor is not valid any more.
type rewoundError struct{ reason string }

func (w *rewoundError) Error() string {
	return w.reason + ": the source starts again from what is in the outbox"
}

// storedCursor identifies the cursor of a reader, as stored.
type storedCursor struct {
	name    string
	token   int64
	history history
}

// resetCursors resets the stored cursors to which a condition applies, as if their readers had read
// nothing: all changes in the outbox are emitted again. The cursors of other readers are as wrong as
// this reader's, and a change is deleted once all of them have passed it. These readers are fenced, and
// load their cursors again. Their history stays, so that they report the gap. It returns whether this
// reader's cursor is one of them, and fails if this reader was fenced.
func (r *reader) resetCursors(ctx context.Context, applies func(history) bool) (own bool, err error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	err = pgconn.InTx(ctx, r.conn, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "SELECT name, token, "+r.optionalSQL("coalesce(history, '')", "''")+" FROM gateway.outbox_reader ORDER BY name FOR UPDATE")
		if err != nil {
			return err
		}
		found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c storedCursor, err error) {
			return c, row.Scan(&c.name, &c.token, &c.history)
		})
		if err != nil {
			return err
		}
		names, fenced := []string{}, true
		for _, c := range found {
			isOwn := c.name == r.s.opts.Name
			if isOwn {
				fenced = c.token != r.token
			}
			if applies(c.history) {
				names = append(names, c.name)
				own = own || isOwn
			}
		}
		if len(names) > 0 {
			if fenced {
				return errFenced
			}
			_, err = tx.Exec(ctx, "UPDATE gateway.outbox_reader SET hi = 0, gaps = '{}', low = 0, token = token + CASE WHEN name = $2 THEN 0 ELSE 1 END WHERE name = ANY ($1)", names, r.s.opts.Name)
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("cannot store that the source starts again: %w", err)
	}
	if own {
		r.cursor, r.known.lastChange, r.stored = cursor{}, changeMark{}, [2]storedBounds{}
	}
	return own, nil
}

func anyHistory(history) bool { return true }
