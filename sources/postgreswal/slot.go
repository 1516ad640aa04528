package postgreswal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
)

// SQLSTATEs of statements about a slot, its plugin, and the bounds of endFormerReader.
const (
	objectInUse         = "55006"
	syntaxError         = "42601"
	notInRequiredState  = "55000"
	undefinedObject     = "42704"
	outputPlugin        = "pgoutput"
	endFormerTimeout    = 10 * time.Second
	endFormerEvery      = 20 * time.Millisecond
	applicationNamePart = "eventgateway "
)

// slotState is the state of the slot in the server.
type slotState struct {
	exists    bool
	made      bool   // by this Run
	lost      bool   // the server has invalidated it: it cannot be read any more
	active    int32  // the process that reads it; 0: none
	confirmed uint64 // LSN up to which it is confirmed
}

// readSlot returns the state of the slot. A slot of another plugin or database is an error.
func (r *reader) readSlot(ctx context.Context) (s slotState, err error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	var plugin, database, here string
	var confirmed int64
	err = r.conn.QueryRow(ctx, `SELECT coalesce(s.plugin, ''), coalesce(s.database, ''), current_database(), coalesce(s.active_pid, 0), coalesce((s.confirmed_flush_lsn - '0/0')::bigint, 0),
		coalesce(to_jsonb(s)->>'wal_status', '') = 'lost' OR coalesce(to_jsonb(s)->>'conflicting', '') = 'true' OR to_jsonb(s)->>'invalidation_reason' IS NOT NULL
		FROM pg_replication_slots s WHERE s.slot_name = $1`, r.s.opts.Slot).Scan(&plugin, &database, &here, &s.active, &confirmed, &s.lost)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return s, nil
	case err != nil:
		return s, fmt.Errorf("cannot read the state of the slot %s: %w", r.s.opts.Slot, err)
	case plugin != outputPlugin:
		return s, fmt.Errorf("the slot %s is not of the plugin pgoutput, so another program made it: set slot to another name", r.s.opts.Slot)
	case database != here:
		return s, fmt.Errorf("the slot %s belongs to the database %s: the names of slots are those of the whole server; set slot to another name", r.s.opts.Slot, database)
	}
	s.exists, s.confirmed = true, uint64(confirmed)
	return s, nil
}

// createSlot makes the slot, and returns the LSN behind which it sends changes.
func (r *reader) createSlot(ctx context.Context) (uint64, error) {
	var published bool
	checking, cancel := r.withTimeout(ctx)
	err := r.conn.QueryRow(checking, "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = $1)", r.s.opts.Publication).Scan(&published)
	cancel()
	switch {
	case err != nil:
		return 0, fmt.Errorf("cannot look for the publication %s: %w", r.s.opts.Publication, err)
	case !published: // a slot that is older than its publication cannot be read
		return 0, fmt.Errorf("there is no publication %s in this database: run gateway sql --mode wal --table ... --apply", r.s.opts.Publication)
	}
	r.s.log.Info("creating the replication slot", "slot", r.s.opts.Slot, "waits_for", "transactions that are open now and have written")
	if err := execStatement(ctx, r.conn, "SET statement_timeout = 0; SET lock_timeout = 0"); err != nil { // either could end the wait for open transactions
		return 0, err
	}
	var lsn int64
	err = r.conn.QueryRow(ctx, "SELECT (lsn - '0/0')::bigint FROM pg_create_logical_replication_slot($1, $2)", r.s.opts.Slot, outputPlugin).Scan(&lsn)
	if err != nil {
		return 0, fmt.Errorf("cannot create the slot %s: %w", r.s.opts.Slot, explainSlot(err))
	}
	return uint64(lsn), nil
}

// explainSlot adds a hint to the error of a slot that cannot be created.
func explainSlot(err error) error {
	switch {
	case hasState(err, notInRequiredState):
		return fmt.Errorf("%w: ALTER SYSTEM SET wal_level = logical, and restart the server", err)
	case hasState(err, "53400"):
		return fmt.Errorf("%w: gateway wal list shows the slots; drop one, or raise max_replication_slots and restart the server", err)
	case hasState(err, "42501"):
		return fmt.Errorf("%w: ALTER ROLE ... REPLICATION", err)
	}
	return err
}

func (r *reader) dropSlot(ctx context.Context) error {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	if _, err := r.conn.Exec(ctx, "SELECT pg_drop_replication_slot($1)", r.s.opts.Slot); err != nil {
		return fmt.Errorf("cannot drop the slot %s: %w", r.s.opts.Slot, err)
	}
	return nil
}

// endFormerReader ends the connection of a gateway that reads the slot, and waits until the slot is free. Such a connection can
// outlive its gateway, because the server has not noticed its end.
func (r *reader) endFormerReader(ctx context.Context, slot slotState) error {
	ctx, cancel := context.WithTimeout(ctx, endFormerTimeout)
	defer cancel()
	for {
		var name string
		err := r.conn.QueryRow(ctx, "SELECT coalesce(application_name, '') FROM pg_stat_activity WHERE pid = $1", slot.active).Scan(&name)
		switch {
		case errors.Is(err, pgx.ErrNoRows): // it has just ended
			err = nil
		case err != nil:
		case !strings.HasPrefix(name, applicationNamePart) && name != r.conn.Config().RuntimeParams["application_name"]:
			return fmt.Errorf("the slot %s is read by the program %q, process %d: set slot to another name", r.s.opts.Slot, name, slot.active)
		default:
			_, err = r.conn.Exec(ctx, "SELECT pg_terminate_backend($1)", slot.active)
		}
		now := slot
		if err == nil {
			now, err = r.readSlot(ctx)
		}
		switch {
		case err != nil:
			return fmt.Errorf("cannot end process %d, which reads the slot %s: %w", slot.active, r.s.opts.Slot, err)
		case now.active == 0:
			return nil
		}
		slot = now
		select {
		case <-time.After(endFormerEvery):
		case <-ctx.Done():
			return fmt.Errorf("process %d still reads the slot %s: %w", slot.active, r.s.opts.Slot, ctx.Err())
		}
	}
}

// explainStart adds a hint to the error of a slot that cannot be read.
func explainStart(err error) error {
	if hasState(err, syntaxError) { // an ordinary session does not know the command
		return fmt.Errorf("%w: the connection is no replication connection: %s", err, pgconn.ReplicationPoolerHint)
	}
	if hasState(err, objectInUse) {
		return fmt.Errorf("%w: another gateway reads it; give both a leader, or each a slot", err)
	}
	return err
}

// explainStream adds a hint to the error of a stream whose publication did not exist when a change was written.
func explainStream(err error, o Options) error {
	if hasState(err, undefinedObject) {
		return fmt.Errorf("%w: the publication %s must exist at the slot's position: make it with gateway sql --mode wal, then drop the slot with gateway wal drop %s", err, o.Publication, o.Slot)
	}
	return err
}
