package postgres

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// foreignKey is the SQLSTATE of a row that refers to a row which does not exist. It may come later.
const foreignKey = "23503"

// rowStates are the SQLSTATEs, or their prefixes, by which the server refuses a row for good: two rows of one statement have the same key
// (21), a value cannot be read (22), a constraint (23) or the check option of a view (44) is violated, a value is too large for an index
// (54), or PL/pgSQL raises an error (P0).
var rowStates = []string{"21", "22", "23", "44", "54", "P0"}

// sinkStates are those that no row causes: the connection is lost (08), the transaction cannot write (25), the role cannot log in (28), the
// database does not exist (3D), the transaction was in conflict with others (40), the server has no space (53), a lock is held (55), the
// server stops (57P), or cannot read its files (58).
var sinkStates = []string{"08", "25", "28", "3D", "40", "53", "55", "57P", "58"}

func hasState(e *pg.PgError, states []string) bool {
	return slices.ContainsFunc(states, func(begin string) bool { return strings.HasPrefix(e.Code, begin) })
}

// isOfRow reports whether the server has refused a row for good.
func isOfRow(err error) bool {
	var e *pg.PgError
	return errors.As(err, &e) && (hasState(e, rowStates) || e.Code == "42501" && e.Routine == "ExecWithCheckOptions") // a policy of row-level security
}

// isOfSomeRow reports whether one of the rows of a statement may be the cause of its failure. Class 42 is a table, a column or a right
// that is missing: in a function, such as that of a trigger, only some rows need it.
func isOfSomeRow(err error) bool {
	var e *pg.PgError
	switch {
	case isOfRow(err):
		return true
	case !errors.As(err, &e), hasState(e, sinkStates):
		return false
	}
	return !strings.HasPrefix(e.Code, "42") || e.Where != ""
}

// classify marks an error for the router. A refused row is permanent, unless a later attempt may succeed: a row to which it refers may
// come, or its trigger may work. A right or a table that is missing is no fault of an event: the sink is unavailable until it is there.
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
	case isOfSomeRow(err):
		return text
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
