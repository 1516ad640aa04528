package postgreswal

import (
	"errors"
	"fmt"
	"strings"

	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// walLevel checks that wal_level is logical, and that the server allows one more slot, and replication connections.
func (p *probe) walLevel() (logical bool) {
	var level string
	var slots, usedSlots, senders int
	if !p.row("the settings of the server", `SELECT current_setting('wal_level'), current_setting('max_replication_slots')::int, (SELECT count(*)::int FROM pg_replication_slots WHERE slot_name <> $1), current_setting('max_wal_senders')::int`,
		[]any{p.s.opts.Slot}, &level, &slots, &usedSlots, &senders) {
		return false
	}
	logical = level == "logical"
	if !logical {
		p.add(plugin.Problem, "ALTER SYSTEM SET wal_level = logical, as a superuser, then restart the server; hosted servers have a parameter for it, such as rds.logical_replication",
			"wal_level is %s: the WAL has changes of rows only with logical", level)
	}
	if slots <= usedSlots {
		p.add(plugin.Problem, fmt.Sprintf("ALTER SYSTEM SET max_replication_slots = %d, then restart the server; or remove a slot of no use: gateway wal list", usedSlots+10),
			"no slot is free: max_replication_slots is %d, and other readers have %d", slots, usedSlots)
	}
	if senders == 0 {
		p.add(plugin.Problem, "ALTER SYSTEM SET max_wal_senders = 10, then restart the server", "max_wal_senders is 0: nothing can read the WAL")
	}
	return logical
}

// replication checks that the role may open a replication connection, and that it leads to the database of the session.
// wanted is false if wal_level is not logical, so that the server refuses it anyway.
func (p *probe) replication(wanted bool) {
	if !wanted {
		return
	}
	conn, err := pgconn.ConnectReplication(p.ctx, p.s.conn, nil)
	if err != nil {
		fix, why := p.explainReplication(err)
		p.add(plugin.Problem, fix, "the WAL cannot be read: %s", why)
		return
	}
	defer pgconn.CloseReplication(conn)
	results, err := conn.Exec(p.ctx, "IDENTIFY_SYSTEM").ReadAll()
	if err != nil || len(results) != 1 || len(results[0].Rows) != 1 || len(results[0].Rows[0]) < 4 {
		p.add(plugin.Problem, pgconn.ReplicationPoolerHint, "the WAL cannot be read: the connection is no replication connection, as behind a pooler that ignores the parameter: %v", err)
		return
	}
	identity := results[0].Rows[0]
	var system, database string
	if !p.row("the identity of the server", "SELECT (SELECT system_identifier FROM pg_control_system())::text, current_database()::text", nil, &system, &database) {
		return
	}
	if string(identity[0]) != system || string(identity[3]) != database {
		p.add(plugin.Problem, pgconn.ReplicationPoolerHint, "the replication connection leads to the database %s of the system %s, and the session to %s of %s", identity[3], identity[0], database, system)
		return
	}
	p.ok("the role %s may read the WAL", p.user())
}

// explainReplication returns why a replication connection was refused, and how to correct that.
func (p *probe) explainReplication(err error) (fix, why string) {
	why = pgconn.Summarize(err).Error()
	var serverErr *pg.PgError
	if !errors.As(err, &serverErr) {
		return pgconn.ReplicationPoolerHint, why
	}
	switch code := serverErr.Code; {
	case code == "28000" && strings.Contains(serverErr.Message, "pg_hba.conf"):
		return "allow the role and the database in pg_hba.conf, as for its other connections, then SELECT pg_reload_conf()", why
	case code == "42501" || code == "28000":
		return fmt.Sprintf("ALTER ROLE %s REPLICATION -- as a superuser, or from PostgreSQL 16 as a role with REPLICATION and CREATEROLE; at hosted servers such as RDS: GRANT rds_replication TO %[1]s", p.user()), why
	case code == "53300":
		return "ALTER SYSTEM SET max_wal_senders to more, then restart the server; or allow the role more connections", why
	}
	return pgconn.ReplicationPoolerHint, why
}

// retention checks what bounds the WAL that the server keeps for slots. While the gateway runs, max_lag does. While it does not run,
// only max_slot_wal_keep_size does.
func (p *probe) retention() {
	var limit string
	var bytes int64
	if !p.row("how much WAL the server keeps for slots", "SELECT current_setting('max_slot_wal_keep_size'), (SELECT CASE WHEN setting::bigint >= 0 THEN setting::bigint << 20 ELSE -1 END FROM pg_settings WHERE name = 'max_slot_wal_keep_size')",
		nil, &limit, &bytes) {
		return
	}
	const fix = "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf() -- what the disk has to spare; a reader that is behind further loses its slot, and reports a gap"
	maxLag := int64(p.s.opts.MaxLag.Bytes)
	switch {
	case bytes < 0 && maxLag == 0 && p.s.opts.MaxLag.Age == 0:
		p.add(plugin.Warning, fix, "max_slot_wal_keep_size is -1, and max_lag is not set: while a sink or the gateway is away, the server keeps WAL until its disk is full, and then stops")
	case bytes < 0:
		p.add(plugin.Warning, fix, "max_slot_wal_keep_size is -1: max_lag bounds the WAL while the gateway runs, but while it is away, the server keeps WAL until its disk is full, and then stops")
	case maxLag >= bytes:
		p.add(plugin.Warning, fmt.Sprintf("max_lag: {bytes: ...} below %s, or raise max_slot_wal_keep_size and SELECT pg_reload_conf()", limit),
			"max_lag has no effect: beyond max_slot_wal_keep_size, %s, the server removes the WAL of the slot before that", limit)
	default:
		p.ok("the server keeps at most %s of WAL for a slot (max_slot_wal_keep_size)", limit)
	}
}
