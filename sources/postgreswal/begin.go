package postgreswal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/inflight"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
)

// SQLSTATEs of missing objects.
const (
	undefinedTable  = "42P01"
	undefinedSchema = "3F000"
)

// historySQL identifies what a position points into: "system/database/timeline". A new server has another system identifier, a new
// database has another OID, and a promotion or a recovery from an archive begins another timeline.
const historySQL = `((SELECT system_identifier FROM pg_control_system())::text || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())::text || '/' || ` +
	pgconn.TimelineSQL + `::text)`

// stored is the row of the slot in gateway.wal_reader.
type stored struct {
	token    int64
	history  string // "": nothing was stored yet
	position position
	spooled  uint64 // LSN up to which changes were spooled
	snapshot []byte
	moved    bool // the tables have moved to an outbox
}

// begin takes the position over, compares it with the slot, and makes the slot if there is none. It reports a gap if changes
// may have been lost.
func (r *reader) begin(ctx context.Context) error {
	if err := r.install(ctx); err != nil {
		return err
	}
	if err := r.prepareEncoding(ctx); err != nil {
		return err
	}
	history, err := r.readHistory(ctx)
	if err != nil {
		return err
	}
	loaded, err := r.load(ctx)
	if err != nil {
		return err
	}
	r.token = loaded.token
	slot, err := r.readSlot(ctx)
	if err != nil {
		return err
	}
	if slot.active != 0 {
		if err := r.endFormerReader(ctx, slot); err != nil {
			return err
		}
	}
	if loaded.moved {
		if slot.exists {
			err = r.dropSlot(ctx)
		}
		return cmp.Or(err, errMoved)
	}
	if r.spool, err = r.s.openSpool(history); err != nil {
		return err
	}
	if slot.exists && !slot.lost {
		if err := r.giveUpStuck(ctx, &slot); err != nil {
			return err
		}
	}
	reason := r.compare(loaded, history, slot)
	if slot.lost {
		if err := r.dropSlot(ctx); err != nil {
			return err
		}
		slot.exists = false
	}
	if slot.made = !slot.exists; slot.made {
		if slot.confirmed, err = r.createSlot(ctx); err != nil {
			return err
		}
	}
	r.s.givenUp, r.history = "", history
	at, err := r.beginSpool(ctx, loaded, slot, reason != "")
	if err != nil {
		return err
	}
	if reason != "" {
		r.out.Gap(reason)
	}
	r.lastSaved = [2]position{loaded.position, loaded.position}
	if err := r.startSnapshot(ctx, loaded.snapshot, reason != ""); err != nil {
		return err
	}
	r.start(at)
	return r.saveMark(ctx, r.markAt(at))
}

// start sets the position behind which the reader continues.
func (r *reader) start(at position) {
	r.emitted, r.marked, r.passed = at, at.lsn, at.lsn
	r.inFlight = inflight.NewPositionTracker(r.markAt(at))
}

// install creates the publication and the table of the positions, in an embedded database only.
func (r *reader) install(ctx context.Context) error {
	if !r.s.opts.URL.FromEmbedded() || len(r.s.opts.Tables) == 0 {
		return nil
	}
	if err := execStatement(ctx, r.conn, "BEGIN; "+r.s.installed().CreateSQL()+"COMMIT"); err != nil {
		return fmt.Errorf("cannot create the publication: %w", err)
	}
	return nil
}

// installed returns what `gateway sql --mode wal` makes for the source.
func (s *source) installed() pgtrigger.WAL {
	w := pgtrigger.WAL{Publication: s.opts.Publication}
	for _, text := range s.opts.Tables {
		t, _ := pgtrigger.ParseTable(text) // valid: Check has parsed it
		w.Tables = append(w.Tables, t)
	}
	return w
}

// readHistory returns the history of the database, which must be writable.
func (r *reader) readHistory(ctx context.Context) (history string, err error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	var standby bool
	if err := r.conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&standby); err != nil {
		return "", fmt.Errorf("cannot see the state of the server: %w", err)
	}
	if standby {
		return "", errors.New("the server is a standby, which cannot store a position: connect to the primary, as target_session_attrs=read-write in the url does")
	}
	if err := r.conn.QueryRow(ctx, "SELECT "+historySQL).Scan(&history); err != nil {
		return "", fmt.Errorf("cannot read the history of the database: %w", err)
	}
	return history, nil
}

// load reads the stored position and takes it over: no earlier reader can store a position from now on.
func (r *reader) load(ctx context.Context) (s stored, err error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	var commit, spooled int64
	err = r.conn.QueryRow(ctx, `INSERT INTO gateway.wal_reader AS r (slot, token) VALUES ($1, 1) ON CONFLICT (slot) DO UPDATE SET token = r.token + 1
		RETURNING token, coalesce(history, ''), coalesce((commit - '0/0')::bigint, 0), coalesce(index, 0), coalesce((spooled - '0/0')::bigint, 0), snapshot, moved IS NOT NULL`, r.s.opts.Slot).
		Scan(&s.token, &s.history, &commit, &s.position.index, &spooled, &s.snapshot, &s.moved)
	if hasState(err, undefinedTable) || hasState(err, undefinedSchema) {
		return s, errors.New("there is no table gateway.wal_reader in this database: run gateway sql --mode wal --table ... --apply")
	}
	if err != nil {
		return s, fmt.Errorf("cannot take over the position of the slot %s: %w", r.s.opts.Slot, err)
	}
	s.position.lsn, s.spooled = uint64(commit), uint64(spooled)
	return s, nil
}

// compare returns why changes may have been lost, or "" if none were.
func (r *reader) compare(loaded stored, history string, slot slotState) string {
	if end := r.spoolEnd(); loaded.history == "" && end > 0 && !slot.exists {
		return fmt.Sprintf("the slot %s and its position are gone, and what was spooled up to %s is not delivered", r.s.opts.Slot, lsnText(end))
	}
	if loaded.history == "" { // the first reader of the slot
		return ""
	}
	database, timeline := splitHistory(history)
	storedDatabase, storedTimeline := splitHistory(loaded.history)
	last := "what was delivered last is " + loaded.position.String()
	switch {
	case loaded.isOfAnother(history):
		return fmt.Sprintf("the position belongs to another database: system/database %s, and this is %s", storedDatabase, database)
	case !slot.exists && r.s.givenUp != "":
		return fmt.Sprintf("the slot %s was given up: %s; %s", r.s.opts.Slot, r.s.givenUp, last)
	case !slot.exists:
		return fmt.Sprintf("the slot %s is gone, as after a failover, a restore or a drop; %s on timeline %s, and the server is on timeline %s", r.s.opts.Slot, last, storedTimeline, timeline)
	case slot.lost:
		return fmt.Sprintf("the server has removed WAL that the slot %s needed, because of max_slot_wal_keep_size or its like; %s", r.s.opts.Slot, last)
	case timeline != storedTimeline:
		return fmt.Sprintf("the history of the database branched, and may have gone back: the position is of timeline %s, and the server is on timeline %s", storedTimeline, timeline)
	case slot.confirmed > max(loaded.position.lsn, r.spoolEnd()):
		return r.explainAhead(loaded, slot, last)
	case r.s.lastSaved.compare(loaded.position) > 0:
		return fmt.Sprintf("the history of the database went back: %s, and this gateway has stored %v", last, r.s.lastSaved)
	}
	return ""
}

// isOfAnother reports whether the position was stored in another database than that of a history.
func (s stored) isOfAnother(history string) bool {
	database, _ := splitHistory(history)
	storedDatabase, _ := splitHistory(s.history)
	return s.history != "" && storedDatabase != database
}

// splitHistory returns the database, as "system/database", and the timeline.
func splitHistory(history string) (database, timeline string) {
	i := strings.LastIndexByte(history, '/')
	if i < 0 {
		return history, ""
	}
	return history[:i], history[i+1:]
}

// saveMark stores a position. It overwrites only the position that this reader has loaded or stored last. So it returns errFenced if
// another reader has taken over, or if the database was replaced or went back.
func (r *reader) saveMark(ctx context.Context, m mark) error {
	progress, err := m.snapshot.json()
	if err != nil {
		return err
	}
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	before, token := r.lastSaved, int64(0)
	r.lastSaved[1] = m.position // the server may store it, and the connection be lost before it answers
	err = r.conn.QueryRow(ctx, `UPDATE gateway.wal_reader SET commit = $3::text::pg_lsn, index = $4, snapshot = $5, history = $6, saved = now(), moved = CASE WHEN $11 THEN coalesce(moved, now()) END
		WHERE slot = $1 AND token = $2 AND (coalesce(commit, '0/0'), coalesce(index, 0)) IN (($7::text::pg_lsn, $8::bigint), ($9::text::pg_lsn, $10::bigint)) AND $6 = `+historySQL+` RETURNING token`,
		r.s.opts.Slot, r.token, lsnText(m.lsn), m.index, progress, r.history, lsnText(before[0].lsn), before[0].index, lsnText(before[1].lsn), before[1].index, m.moved).Scan(&token)
	if errors.Is(err, pgx.ErrNoRows) {
		return errFenced
	}
	if err != nil {
		return fmt.Errorf("cannot store the position: %w", err)
	}
	r.lastSaved = [2]position{m.position, m.position}
	r.s.lastSaved, r.savedSnapshot = m.position, m.snapshot
	r.stored.Store(m.lsn)
	r.raiseConfirm(m.lsn)
	return nil
}

var errFenced = errors.New("the stored position was changed: another gateway has taken over the slot, or the database was replaced; give several gateways of one slot a leader, or each a slot of its own")

func lsnText(lsn uint64) string { return pglogrepl.LSN(lsn).String() }
