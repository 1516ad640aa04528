package postgreswal

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"eventgateway/gateway/pgtrigger"
)

// Tables move between an outbox and the WAL in one transaction that locks them against writers. So each change of them is either
// committed before that transaction or made after it. The former source delivers the changes before, and the new one those after: no
// change is delivered twice, and none is lost.

// movePrefix is the prefix of the message in the WAL by which the tables of a slot move to an outbox. Any role can write such a
// message. So the source accepts only the text that is also in the row of the slot in gateway.wal_reader, which few may write.
const movePrefix = "gateway.move"

// errMoved ends a Run whose tables have moved. Everything before the move is delivered. The next Run drops the slot.
var errMoved = errors.New("the tables have moved to an outbox, and every change before that is delivered: replace this source by one of the type postgres-outbox, or move them back by gateway wal move --to wal")

// moveToOutboxSQL returns the statements that move the tables of a slot to the outbox. The message is in the WAL behind all changes
// that the slot's reader delivers, because the lock keeps other transactions from writing into the tables.
func moveToOutboxSQL(slot string, tables []pgtrigger.Table) string {
	return lockSQL(tables) + pgtrigger.Outbox{Tables: tables}.CreateSQL() +
		fmt.Sprintf(`DO $eventgateway_do$ BEGIN
  UPDATE gateway.wal_reader SET moving = gen_random_uuid()::text WHERE slot = %[1]s;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no source has read the slot %%', %[1]s;
  END IF;
  PERFORM pg_logical_emit_message(true, '%[2]s', moving) FROM gateway.wal_reader WHERE slot = %[1]s;
END $eventgateway_do$;
`, quoteLiteral(slot), movePrefix)
}

// moveToWALSQL returns the statements that move tables from the outbox to a slot. The reader of the slot skips what was committed
// before the move: the outbox delivers that.
func moveToWALSQL(slot string, tables []pgtrigger.Table) string {
	return lockSQL(tables) + pgtrigger.Outbox{Tables: tables}.DropSQL() + fmt.Sprintf(`DO $eventgateway_do$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %[1]s AND plugin = 'pgoutput' AND database = current_database()) THEN
    RAISE EXCEPTION 'there is no slot %%, which must be older than the move', %[1]s
      USING HINT = 'gateway sql --mode wal --table ... --slot ... --apply';
  ELSIF EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %[1]s AND active) THEN
    RAISE EXCEPTION 'the slot %% is read already: stop its gateway, or give another slot', %[1]s;
  END IF;
END $eventgateway_do$;
INSERT INTO gateway.wal_reader AS r (slot, token, commit, index) VALUES (%[1]s, 1, pg_current_wal_insert_lsn(), 0)
  ON CONFLICT (slot) DO UPDATE SET token = r.token + 1, commit = excluded.commit, index = 0, history = NULL, moving = NULL, moved = NULL, spooled = NULL, snapshot = NULL;
`, quoteLiteral(slot))
}

// isMove reports whether the text of a message in the WAL is that of a move of this slot's tables to an outbox.
func (r *reader) isMove(ctx context.Context, text string) (is bool, err error) {
	if err := r.awaitVisible(ctx); err != nil {
		return false, err
	}
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	if err := r.conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM gateway.wal_reader WHERE slot = $1 AND moving = $2)", r.s.opts.Slot, text).Scan(&is); err != nil {
		return false, fmt.Errorf("cannot check whether the tables move to an outbox: %w", err)
	}
	return is, nil
}

func lockSQL(tables []pgtrigger.Table) string {
	var names []string
	for _, t := range tables {
		names = append(names, t.String())
	}
	return "SET LOCAL lock_timeout = '500ms'; -- rather this fails than a user's write\nLOCK TABLE " + strings.Join(names, ", ") + " IN SHARE ROW EXCLUSIVE MODE;\n"
}

func quoteLiteral(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
