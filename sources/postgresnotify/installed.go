package postgresnotify

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/plugin"
)

// ownerTrustedSQL reports whether a role is trusted as the owner of trigger functions: it is that of
// the session, a superuser, or in owners.
const ownerTrustedSQL = `SELECT coalesce((SELECT rolsuper OR rolname = session_user OR rolname = ANY (coalesce($2::text[], '{}')) FROM pg_roles WHERE rolname = $1), false)`

// probeFunctions returns findings for the trigger functions of `gateway sql` in this database that have
// another version than this gateway's, or an owner that is not trusted.
func (s *source) probeFunctions(ctx context.Context, conn *pgx.Conn) ([]plugin.Finding, error) {
	found, err := pgtrigger.FindInstalled(ctx, conn)
	if err != nil {
		return nil, err
	}
	var findings []plugin.Finding
	for _, i := range slices.DeleteFunc(found, func(i pgtrigger.Installed) bool { return i.Mode != "notify" || len(i.Tables) == 0 }) {
		if problem := i.VersionError(); problem != nil {
			fix := ""
			if i.Older() {
				fix = "gateway sql --migrate --apply"
			}
			findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: problem.Error(), Fix: fix})
		}
		var trusted bool
		if err := pgconn.InTx(ctx, conn, func(tx pgx.Tx) error { return tx.QueryRow(ctx, ownerTrustedSQL, i.Owner, s.opts.Owners).Scan(&trusted) }); err != nil {
			return nil, err
		}
		if !trusted {
			findings = append(findings, plugin.Finding{
				Level: plugin.Warning, Text: "rows over 7,999 bytes of " + i.Tables[0] + " are not fetched: the function " + i.Function + " belongs to the role " + i.Owner,
				Fix: "owners: [" + i.Owner + "] if you trust this role",
			})
		}
	}
	return findings, nil
}

// warnTriggers logs the findings of the trigger functions once. It needs a session that belongs to the
// connection, and does not listen.
func (s *source) warnTriggers(ctx context.Context, conn *pgx.Conn) error {
	if s.warnedTriggers {
		return nil
	}
	if _, err := pgconn.VerifySession(ctx, conn, s.conn.ConnConfig); err != nil {
		return err
	}
	timed, cancel := context.WithTimeout(ctx, pgconn.ConnectTimeout)
	defer cancel()
	findings, err := s.probeFunctions(timed, conn)
	if err != nil {
		return err
	}
	s.warnedTriggers = true
	for _, f := range findings {
		s.log.Warn("installed trigger has a problem", "finding", f.Text, "fix", f.Fix)
	}
	return nil
}
