package pgtrigger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
)

// Installed is a trigger function of this package that a database has.
type Installed struct {
	Function string // quoted, with its schema
	Mode     string // outbox or notify
	Schema   string // not quoted
	Version  int
	Owner    string   // a role
	Tables   []string // that have a trigger which calls it; quoted
}

// installed finds the trigger functions. pg_proc shows them to every role.
const installedSQL = `SELECT format('%I.%I', n.nspname, p.proname), CASE p.proname WHEN 'outbox_capture' THEN 'outbox' ELSE 'notify' END, n.nspname::text,
	` + versionSQL + `, pg_get_userbyid(p.proowner)::text,
	ARRAY(SELECT format('%I.%I', tn.nspname, c.relname) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace tn ON tn.oid = c.relnamespace
		WHERE t.tgfoid = p.oid AND t.tgparentid = 0 AND t.tgname IN ('!gateway_outbox', 'gateway_notify') ORDER BY 1)
	FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
	WHERE p.prorettype = 'trigger'::regtype AND p.pronargs = 0 AND (n.nspname = 'gateway' AND p.proname = 'outbox_capture'
		OR p.proname = 'gateway_notify' AND (p.prosrc LIKE '%_gateway_fetch%' OR p.prosrc LIKE '%eventgateway sql version%'))
	ORDER BY 2 DESC, 1`

// FindInstalled returns the trigger functions of this package that the database has: that of the
// outbox, and those of notifications, one for each schema.
func FindInstalled(ctx context.Context, conn *pgx.Conn) (found []Installed, err error) {
	err = pgconn.InTx(ctx, conn, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, installedSQL)
		if err == nil {
			found, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Installed])
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read which SQL of the gateway is installed: %w", err)
	}
	return found, nil
}

// Older reports whether the SQL is of an earlier version than this package's.
func (i Installed) Older() bool { return i.Version < Version }

// VersionError returns an error with a hint if the SQL is of another version than this package's, else
// nil.
func (i Installed) VersionError() error {
	switch {
	case i.Older():
		return fmt.Errorf("the SQL of %s is version %d, and this gateway's is version %d: bring it up to date with gateway sql --migrate --apply, as its owner %s", i.Function, i.Version, Version, i.Owner)
	case i.Version > Version:
		return fmt.Errorf("the SQL of %s is version %d, and this gateway knows version %d: install a newer gateway", i.Function, i.Version, Version)
	}
	return nil
}

// MigrateSQL returns the statements that bring older SQL of one owner up to date, "" where there
// is none, and the functions that other roles own. Newer SQL of this owner is an error. The statements must
// be carried out in one transaction, by the owner, who must also have the privilege TRIGGER on
// the tables of an outbox.
func MigrateSQL(found []Installed, owner string) (sql string, foreign []Installed, err error) {
	for _, i := range found {
		switch {
		case i.Owner != owner:
			foreign = append(foreign, i)
		case i.Version > Version:
			return "", nil, i.VersionError()
		case !i.Older():
		case i.Mode == "outbox":
			sql += Outbox{}.CreateSQL()
		default:
			sql += functionSQL(i.Schema)
		}
	}
	return sql, foreign, nil
}
