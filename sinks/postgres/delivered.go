package postgres

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
)

const (
	forgetInterval = 10 * time.Second
	forgetAtLeast  = 1000 // IDs in one statement
)

// mark stores the IDs of events, and returns the rows whose event was not written before. If another gateway writes the same event at
// this moment, mark waits for its transaction by the key of the table. Events without an ID are written in any case.
func (w *writing) mark(ctx context.Context, rows []row, keys []string) (unwritten []row, unwrittenKeys []string, marked int, err error) {
	var ids []string
	for _, r := range rows {
		if r.id != "" {
			ids = append(ids, r.id)
		}
	}
	isNew := map[string]bool{}
	if len(ids) > 0 {
		result, err := w.tx.Query(ctx, w.s.statements.mark, pgx.QueryExecModeExec, ids)
		if err != nil {
			return nil, nil, 0, err
		}
		stored, err := pgx.CollectRows(result, pgx.RowTo[string])
		if err != nil {
			return nil, nil, 0, err
		}
		for _, id := range stored {
			isNew[id] = true
		}
	}
	for i, r := range rows {
		if r.id == "" || isNew[r.id] {
			unwritten, unwrittenKeys = append(unwritten, r), append(unwrittenKeys, keys[i])
			delete(isNew, r.id) // the same event may be in the batch twice
			if r.id != "" {
				marked++
			}
		}
	}
	return unwritten, unwrittenKeys, marked, nil
}

// unmark removes the IDs of the rows that the server has refused: their events may come again, from the dead letters.
func (w *writing) unmark(ctx context.Context, rows []row) error {
	var ids []string
	for _, r := range rows {
		if w.failed[r.index] != nil && r.id != "" {
			ids = append(ids, r.id)
		}
	}
	if len(ids) == 0 || w.s.statements.unmark == "" {
		return nil
	}
	_, err := w.tx.Exec(ctx, w.s.statements.unmark, pgx.QueryExecModeExec, ids)
	return err
}

// forget deletes old IDs at most once per forgetInterval. It deletes more than were stored since the last time, so that the table does not grow. A failure has no effect on events, and
// the next call tries again.
func (s *sink) forget(ctx context.Context) {
	if s.statements.forget == "" || s.conn == nil || s.now().Sub(s.forgotten) < forgetInterval {
		return
	}
	s.forgotten = s.now()
	err := pgconn.InTx(ctx, s.conn, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, s.statements.forget, pgx.QueryExecModeExec, time.Duration(s.opts.Remember).Seconds(), 2*s.marked+forgetAtLeast)
		return err
	})
	if err != nil {
		s.sampler.Log(s.log, slog.LevelWarn, "old IDs not deleted", "table", s.opts.Delivered, "error", pgconn.Summarize(err))
		return
	}
	s.marked = 0
}
