package postgresoutbox

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgtrigger"
)

var errNoOutbox = errors.New("there is no outbox in this database: create it with gateway sql --mode outbox --table TABLE --apply")

// foreignOwnerSQL finds an object in the schema gateway that the reader uses and an untrusted role owns: neither
// a superuser, nor the reader's role, nor in owners. A trigger or a rule there would run with the
// reader's rights.
const foreignOwnerSQL = `SELECT o.what, r.rolname::text FROM (
		SELECT 'the schema gateway' AS what, nspowner AS owner FROM pg_namespace WHERE nspname = 'gateway'
		UNION ALL SELECT 'gateway.' || relname, relowner FROM pg_class
			WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'gateway') AND relname IN ('outbox', 'outbox_reader')) o
	JOIN pg_roles r ON r.oid = o.owner WHERE NOT r.rolsuper AND r.rolname <> session_user AND NOT coalesce(r.rolname = ANY ($1::text[]), false) LIMIT 1`

// checkInstalled returns an error unless the outbox exists, has a trusted owner and a known version. An
// older version works, and is logged once.
func (r *reader) checkInstalled(ctx context.Context) error {
	var what, owner string
	switch err := r.conn.QueryRow(ctx, foreignOwnerSQL, r.s.opts.Owners).Scan(&what, &owner); {
	case err == nil:
		return fmt.Errorf("%s belongs to the role %q, whose code would run with the reader's rights: add the role to owners if you trust it", what, owner)
	case !errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("cannot find the owner of the outbox: %w", err)
	}
	version, err := outboxVersion(ctx, r.conn)
	if err != nil {
		return err
	}
	r.hasBound, r.hasTrace = version.Version >= boundVersion, version.Version >= traceVersion
	if problem := version.VersionError(); problem != nil {
		if !version.Older() {
			return problem
		}
		if !r.s.warnedVersion {
			r.s.log.Warn("outbox has an old version", "error", problem)
			r.s.warnedVersion = true
		}
	}
	return nil
}

// outboxVersion returns the installed outbox, and an error if there is none.
func outboxVersion(ctx context.Context, conn *pgx.Conn) (pgtrigger.Installed, error) {
	found, err := pgtrigger.FindInstalled(ctx, conn)
	if err != nil {
		return pgtrigger.Installed{}, err
	}
	for _, i := range found {
		if i.Mode == "outbox" {
			return i, nil
		}
	}
	return pgtrigger.Installed{}, errNoOutbox
}
