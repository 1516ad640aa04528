package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
)

// maxBytes bounds the JSON of the rows of a transaction. One row may have more.
const maxBytes = 8 << 20

// Write is part of [plugin.Sink]. It writes all events in one transaction, or in several if they are large.
func (s *sink) Write(ctx context.Context, events []*event.Event) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	failed := map[int]error{}
	rows, keys := s.rowsOf(events, failed)
	for from := 0; from < len(rows); {
		to, size := from, 0
		for to < len(rows) && (to == from || size+len(rows[to].object) <= maxBytes) {
			size += len(rows[to].object)
			to++
		}
		if err := s.commit(ctx, rows[from:to], keys[from:to], failed); err != nil {
			if from == 0 && len(rows) == len(events) {
				return err
			}
			for _, r := range rows[from:] {
				failed[r.index] = err
			}
			return plugin.Failed(failed)
		}
		from = to
	}
	s.forget(ctx)
	return plugin.Failed(failed)
}

// commit writes rows in one transaction. Rows that the server refuses are in failed. An error is one of the sink: nothing was written,
// or the answer to COMMIT was lost.
func (s *sink) commit(ctx context.Context, rows []row, keys []string, failed map[int]error) error {
	err := s.transact(ctx, rows, keys, false, failed)
	if isOfSomeRow(err) {
		err = s.transact(ctx, rows, keys, true, failed)
	}
	if err == nil {
		return nil
	}
	s.disconnect() // the next write looks the table up again
	return s.classify(err)
}

// transact runs a transaction. With savepoints it finds the rows that the server refuses, and writes the others.
func (s *sink) transact(ctx context.Context, rows []row, keys []string, savepoints bool, failed map[int]error) error {
	w := writing{s: s, savepoints: savepoints, failed: map[int]error{}}
	marked := 0
	err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) (err error) { // with the search path of the role, on which triggers may rely
		w.tx = tx
		if s.statements.mark != "" {
			if rows, keys, marked, err = w.mark(ctx, rows, keys); err != nil {
				return err
			}
		}
		if err := w.apply(ctx, changesOf(rows, keys)); err != nil {
			return err
		}
		return w.unmark(ctx, rows)
	})
	if err != nil {
		return err
	}
	s.marked += marked
	for i, err := range w.failed {
		failed[i] = err
	}
	return nil
}

// writing is a transaction that writes rows.
type writing struct {
	s          *sink
	tx         pgx.Tx
	savepoints bool
	failed     map[int]error // by the index of the event
}

// apply writes changes of different keys. With savepoints it halves the changes until it has found those that the server refuses.
func (w *writing) apply(ctx context.Context, changes []change) error {
	if len(changes) == 0 {
		return nil
	}
	err := w.attempt(ctx, changes)
	switch {
	case err == nil || !w.savepoints || !isOfSomeRow(err):
		return err
	case len(changes) > 1:
		if err := w.apply(ctx, changes[:len(changes)/2]); err != nil {
			return err
		}
		return w.apply(ctx, changes[len(changes)/2:])
	case len(changes[0]) > 1: // the latest row of the key is refused: an earlier one may be right
		for _, r := range changes[0] {
			if err := w.apply(ctx, []change{{r}}); err != nil {
				return err
			}
		}
		return nil
	}
	w.failed[changes[0].last().index] = w.s.classify(err)
	return nil
}

// attempt writes the last row of each change, in their order: rows whose operation is the same by one statement.
func (w *writing) attempt(ctx context.Context, changes []change) error {
	run := func(tx pgx.Tx) error {
		for from := 0; from < len(changes); {
			to := from
			for to < len(changes) && changes[to].last().delete == changes[from].last().delete {
				to++
			}
			sql := w.s.statements.write
			if changes[from].last().delete {
				sql = w.s.statements.delete
			}
			if _, err := tx.Exec(ctx, sql, pgx.QueryExecModeExec, array(changes[from:to])); err != nil {
				return err
			}
			from = to
		}
		return nil
	}
	if !w.savepoints {
		return run(w.tx)
	}
	return pgx.BeginFunc(ctx, w.tx, run)
}

// array returns the objects of the last rows as a JSON array.
func array(changes []change) string {
	size := 2
	for _, c := range changes {
		size += len(c.last().object) + 1
	}
	text := append(make([]byte, 0, size), '[')
	for i, c := range changes {
		if i > 0 {
			text = append(text, ',')
		}
		text = append(text, c.last().object...)
	}
	return string(append(text, ']'))
}
