package postgresoutbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
)

// A history is what a cursor points into: "system/database/timeline". A server that is made anew
// has another system identifier, a database that is made anew another OID, and a promotion or
// a recovery from an archive begins another timeline. A copy of a server's files has the same
// history, so the reader also remembers, in memory, the position in the write-ahead log and the
// latest change that it has read (see [memory]).
type history string

func (h history) parts() (database, timeline string) {
	if i := strings.LastIndexByte(string(h), '/'); i >= 0 {
		return string(h[:i]), string(h[i+1:])
	}
	return string(h), ""
}

// teller has the SQL expressions that tell the history and the position. Some servers that only
// speak the protocol of PostgreSQL do not tell them: there the sequence and the rows must do.
type teller struct{ history, written, flushed string }

var (
	tells = teller{
		history: `((SELECT system_identifier FROM pg_control_system())::text || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())::text || '/' ||
			` + pgconn.Timeline + `::text)`,
		written: `(pg_current_wal_insert_lsn() - '0/0')::bigint`,
		flushed: `(pg_current_wal_flush_lsn() - '0/0')::bigint`,
	}
	tellsNothing = teller{history: "''", written: "0::bigint", flushed: "0::bigint"}
)

// memory is what a reader knows of its database beside what is stored there. The next reader of
// this process compares it with the database that it finds.
type memory struct {
	history  history
	position int64 // a byte of the write-ahead log that was on the disk
	token    int64
	top      top
}

// top is the change with the highest id that was read.
type top struct {
	id int64
	at time.Time
}

// present is the state of the database when a reader begins.
type present struct {
	history  history
	position int64
	last     int64 // id that the sequence has given; 0: none
	cache    int64
	above    bool  // there are rows above last
	next     int64 // below the lowest row
	hasTop   bool  // the top of the memory is still there
	late     int64
}

// wentBack is the error of a reader that can no longer believe its cursor.
type wentBack struct{ reason string }

func (w *wentBack) Error() string {
	return w.reason + ": the source starts again from what is in the outbox"
}

// locate reads which history the database has, and which columns its cursors have.
func (r *reader) locate(ctx context.Context) (now present, err error) {
	var standby bool
	if err := r.conn.QueryRow(ctx, `SELECT pg_is_in_recovery(), EXISTS (SELECT FROM pg_attribute
		WHERE attrelid = to_regclass('gateway.outbox_reader') AND attname = 'seen' AND NOT attisdropped)`).Scan(&standby, &r.columns); err != nil {
		return now, fmt.Errorf("cannot see the state of the server: %w", err)
	}
	if standby {
		return now, errors.New("the server is a standby, in which no cursor can be stored: connect to the primary, as target_session_attrs=read-write in the url does")
	}
	r.tells = tells
	err = r.conn.QueryRow(ctx, "SELECT "+tells.history+", "+tells.written).Scan(&now.history, &now.position)
	if said := pgconn.Untold(err); said != nil {
		if !r.s.untold {
			r.s.log.Warn("server does not tell its history: a restore is noticed only by ids", "error", said)
			r.s.untold = true
		}
		r.tells, now.history, now.position, err = tellsNothing, "", 0, nil
	}
	if err != nil {
		return now, fmt.Errorf("cannot read the history of the database: %w", err)
	}
	return now, nil
}

// look reads what is left to compare, of the cursor as it is stored.
func (r *reader) look(ctx context.Context, now *present, seen int64) error {
	err := r.conn.QueryRow(ctx, `SELECT s.seqrelid::bigint, coalesce(pg_sequence_last_value(s.seqrelid), 0), s.seqcache,
		EXISTS (SELECT FROM gateway.outbox WHERE id > coalesce(pg_sequence_last_value(s.seqrelid), 0)),
		coalesce((SELECT min(id) - 1 FROM gateway.outbox), pg_sequence_last_value(s.seqrelid), 0), EXISTS (SELECT FROM gateway.outbox WHERE id = $1 AND at = $2)
		FROM pg_sequence s WHERE s.seqrelid = pg_get_serial_sequence('gateway.outbox', 'id')::regclass`,
		r.memory.top.id, r.memory.top.at).Scan(&r.sequence, &now.last, &now.cache, &now.above, &now.next, &now.hasTop)
	if err != nil {
		return fmt.Errorf("cannot see the sequence of the outbox: %w", err)
	}
	r.horizon = newHorizon(r.cursor.hi, seen, now.next)
	from, to, since := r.horizon.ranges(0, now.next+lookMost)
	err = r.conn.QueryRow(ctx, `SELECT coalesce((`+lateRow+`), 0)`, from, to, since, r.cursor.multirange()).Scan(&now.late)
	if err != nil {
		return fmt.Errorf("cannot look for changes that were written late: %w", err)
	}
	return nil
}

// compare returns why the database is not the one that the reader knows, or "", and whether the
// stored cursor can be believed. A promotion and a copy of the server's files
// bring the cursor as it was then, together with the changes that it belongs to. It cannot be
// believed where the rows may have come in another way, as with a dump, or where ids that it
// has passed are given again.
func (r *reader) compare(now present, stored history) (reason string, believe bool) {
	known := r.memory
	database, timeline := now.history.parts()
	storedDatabase, storedTimeline := stored.parts()
	knownDatabase, knownTimeline := known.history.parts()
	place := fmt.Sprintf("at timeline %s, position %s, id %d", timeline, lsn(now.position), now.last)
	before := fmt.Sprintf("at timeline %s, position %s, id %d", knownTimeline, lsn(known.position), known.top.id)
	switch {
	case known.history != "" && knownDatabase != database, stored != "" && storedDatabase != database:
		reason = fmt.Sprintf("the cursor belongs to another database: system/oid %s, and this is %s, %s", cmp.Or(storedDatabase, knownDatabase), database, place)
	case known.history != "" && (known.history != now.history || now.position < known.position):
		reason = fmt.Sprintf("the history of the database went back, or took another course: it was %s, and is %s", before, place)
	case !r.cursor.passed(known.top.id) && !now.hasTop, known.token > r.token-1:
		reason = fmt.Sprintf("the history of the database went back: it was %s, and is %s, and what was read or stored last is not there", before, place)
	case stored != "" && storedTimeline != timeline:
		reason = fmt.Sprintf("the history of the database took another course, and may have gone back: the cursor is of timeline %s, and the database is %s", storedTimeline, place)
	}
	believe = stored == "" || storedDatabase == database
	switch {
	case now.last < r.cursor.hi && !now.above:
		return cmp.Or(reason, sequenceBack(now.last, r.cursor.hi)), false
	case now.late > 0:
		return cmp.Or(reason, lateBack(now.late, r.cursor.hi)), false
	}
	return reason, believe
}

func sequenceBack(last, hi int64) string {
	return fmt.Sprintf("the sequence of gateway.outbox went back: it is at %d, and %d was read", last, hi)
}

func lateBack(id, hi int64) string {
	return fmt.Sprintf("the sequence of gateway.outbox went back, and has come again: the change %d was written after the change %d was read", id, hi)
}

// lsn writes a position as PostgreSQL does.
func lsn(position int64) string {
	return fmt.Sprintf("%X/%X", uint64(position)>>32, uint32(position))
}

// forget makes the stored cursor that of a reader which has read nothing. All that is in
// the outbox comes again.
func (r *reader) forget(ctx context.Context) error {
	ctx, cancel := r.answer(ctx)
	defer cancel()
	r.cursor, r.memory.top = cursor{}, top{}
	tag, err := r.conn.Exec(ctx, `UPDATE gateway.outbox_reader SET hi = 0, gaps = '{}', low = 0, saved = now()`+r.column(", seen = NULL")+` WHERE name = $1 AND token = $2`, r.s.opts.Name, r.token)
	if err != nil {
		return fmt.Errorf("cannot store that the source starts again: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return errFenced
	}
	r.s.again = false
	return nil
}

// settleHistory stores the history that the cursor belongs to from now on.
func (r *reader) settleHistory(ctx context.Context, now present, stored history) error {
	if !r.columns || now.history == stored {
		return nil
	}
	if _, err := r.conn.Exec(ctx, "UPDATE gateway.outbox_reader SET history = $3 WHERE name = $1 AND token = $2", r.s.opts.Name, r.token, string(now.history)); err != nil {
		return fmt.Errorf("cannot store the history that the cursor belongs to: %w", err)
	}
	return nil
}

// column is SQL of columns that the cursors of an older version do not have.
func (r *reader) column(sql string) string {
	if r.columns {
		return sql
	}
	return ""
}

// still returns why a cursor could not be stored.
func (r *reader) still(ctx context.Context) error {
	var mine bool
	err := r.conn.QueryRow(ctx, "SELECT token = $2 FROM gateway.outbox_reader WHERE name = $1", r.s.opts.Name, r.token).Scan(&mine)
	switch {
	case err == nil && mine:
		return errMoved
	case err == nil || errors.Is(err, pgx.ErrNoRows):
		return errFenced
	}
	return fmt.Errorf("cannot see who has the cursor: %w", err)
}
