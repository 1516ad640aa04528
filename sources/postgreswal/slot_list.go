package postgreswal

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// slotRow is a replication slot of the server as lists show it, or the position of a reader whose slot is missing. Seconds that are
// not known are -1.
type slotRow struct {
	Name           string
	Missing        bool   // the slot does not exist, and gateway.wal_reader has its position
	Plugin         string // "" for a physical slot
	InDatabase     bool   // the slot is of this database; a physical one is of none
	Active         bool
	PID            int32  // of the server's process that serves the reader; 0 if not active
	ReadBy         string // application_name and address of an active reader
	Status, Reason string // wal_status, and why the slot was invalidated, from PostgreSQL 17
	Lag            string // WAL after the confirmed position, as pg_size_pretty has it; "" if unknown
	Retained       string // WAL that the server keeps for the slot; as above
	LagSeconds     float64
	IdleSeconds    float64 // since the slot was read last, from PostgreSQL 17
	Stored         bool    // gateway.wal_reader has a position
	Commit         string  // of the position, as a pg_lsn
	Index          int64
	Moved          bool    // the slot is confirmed beyond the position and the spool
	StoredSeconds  float64 // since the position was stored
}

// slotRowsSQL finds all slots that are not temporary, and all positions. Columns that older servers lack are read by JSON.
const slotRowsSQL = `SELECT coalesce(s.slot_name::text, r.slot), s.slot_name IS NULL, coalesce(s.plugin::text, ''), coalesce(s.database = current_database(), s.slot_name IS NULL),
	coalesce(s.active, false), coalesce(s.active_pid, 0), coalesce(concat_ws(', ', nullif(a.application_name, ''), host(a.client_addr)), ''),
	coalesce(s.wal_status, ''), coalesce(s.more->>'invalidation_reason', ''),
	coalesce(pg_size_pretty(pg_wal_lsn_diff(now.lsn, s.confirmed_flush_lsn)), ''), coalesce(pg_size_pretty(pg_wal_lsn_diff(now.lsn, s.restart_lsn)), ''),
	coalesce(extract(epoch FROM w.flush_lag), -1)::float8, coalesce(extract(epoch FROM clock_timestamp() - (s.more->>'inactive_since')::timestamptz), -1)::float8,
	r.slot IS NOT NULL, coalesce(r.commit::text, ''), coalesce(r.index, 0), coalesce(s.confirmed_flush_lsn > greatest(r.commit, r.spooled), false),
	coalesce(extract(epoch FROM clock_timestamp() - r.saved), -1)::float8
	FROM (SELECT x.*, to_jsonb(x) AS more FROM pg_replication_slots x WHERE NOT x.temporary) s
	FULL JOIN (READERS) r ON r.slot = s.slot_name::text
	LEFT JOIN pg_stat_activity a ON a.pid = s.active_pid LEFT JOIN pg_stat_replication w ON w.pid = s.active_pid
	CROSS JOIN (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END AS lsn) now ORDER BY 1`

// querier is a session or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// hasReaderTable reports whether the table of the positions exists. The search path must be that of [pgconn.Begin].
func hasReaderTable(ctx context.Context, q querier) (exists bool, err error) {
	err = q.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'gateway' AND c.relname = 'wal_reader')").Scan(&exists)
	return exists, err
}

// listSlots returns all slots of the server, and all positions of this database if positions is true. The search path must be that of [pgconn.Begin].
func listSlots(ctx context.Context, q querier, positions bool) ([]slotRow, error) {
	readers := "SELECT slot, commit, index, spooled, saved FROM gateway.wal_reader"
	if !positions {
		readers = "SELECT NULL::text AS slot, NULL::pg_lsn AS commit, NULL::bigint AS index, NULL::pg_lsn AS spooled, NULL::timestamptz AS saved WHERE false"
	}
	rows, err := q.Query(ctx, strings.Replace(slotRowsSQL, "READERS", readers, 1))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[slotRow])
}
