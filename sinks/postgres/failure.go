package postgres

import (
	"errors"
	"fmt"
	"strings"

	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// foreignKey is the SQLSTATE of a row that refers to a row which does not exist. It may come later.
const foreignKey = "23503"

// rowStates are the SQLSTATEs, or their prefixes, by which the server refuses a row: two rows of one statement have the same key (21),
// a value cannot be read (22), a constraint (23) or the check option of a view (44) is violated, a value is too large for
// an index (54), or a function of a trigger raises an error (P0001).
var rowStates = []string{"21", "22", "23", "44", "54", "P0001"}

// isOfRow reports whether the server has refused a row, and not the statement.
func isOfRow(err error) bool {
	var serverErr *pg.PgError
	if !errors.As(err, &serverErr) {
		return false
	}
	for _, state := range rowStates {
		if strings.HasPrefix(serverErr.Code, state) {
			return true
		}
	}
	return serverErr.Code == "42501" && serverErr.Routine == "ExecWithCheckOptions" // a policy of row-level security
}

// classify marks an error for the router. A refused row is permanent, unless a row to which it refers may come. A right or a
// table that is missing is no fault of an event: the sink is unavailable until it is there.
func (s *sink) classify(err error) error {
	var serverErr *pg.PgError
	if !errors.As(err, &serverErr) {
		return fmt.Errorf("cannot write to %s: %w", s.opts.URL, pgconn.Summarize(err))
	}
	text := fmt.Errorf("%s: %w", s.opts.Table, &refusal{serverErr})
	switch {
	case serverErr.Code == foreignKey:
		return text
	case isOfRow(err):
		return plugin.Permanent(text)
	case strings.HasPrefix(serverErr.Code, "42"):
		return plugin.Unavailable(text)
	}
	return pgconn.Unavailable(text)
}

// refusal is an error of the server, with the names of the column and the constraint. It does not contain the detail of the server, which
// repeats values of the row.
type refusal struct{ *pg.PgError }

func (r *refusal) Error() string {
	text := r.Message
	if r.ColumnName != "" {
		text += ", column " + r.ColumnName
	}
	if r.ConstraintName != "" {
		text += ", constraint " + r.ConstraintName
	}
	return fmt.Sprintf("%s (SQLSTATE %s)", text, r.Code)
}

func (r *refusal) Unwrap() error { return r.PgError }
