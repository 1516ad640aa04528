// Package pgconn connects plugins to PostgreSQL.
package pgconn

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/internal/link"
)

// WithSilenceTimeout returns a context for a statement on conn. It ends with ctx, and with the error
// [context.DeadlineExceeded] when the server has sent nothing for silence. A row of many
// megabytes may take as long as a slow link needs.
func WithSilenceTimeout(ctx context.Context, conn *pgx.Conn, silence time.Duration) (context.Context, context.CancelFunc) {
	return link.WithSilence(ctx, conn.PgConn().Conn(), silence)
}

// SetSearchPathSQL sets a search path for a transaction in which names mean PostgreSQL's own objects. A
// role that may create functions or operators in a schema of the default path could create one
// that fits a call better than that of pg_catalog, and would run it with the caller's rights.
const SetSearchPathSQL = "SET LOCAL search_path = pg_catalog, pg_temp"

// Begin begins a transaction with [SetSearchPathSQL]. A setting of the session would reach other
// clients of a transaction pooler.
func Begin(ctx context.Context, conn *pgx.Conn) (pgx.Tx, error) {
	return conn.BeginTx(ctx, pgx.TxOptions{BeginQuery: "BEGIN; " + SetSearchPathSQL})
}

// InTx calls f with a transaction of [Begin], and commits it where f returns nil.
func InTx(ctx context.Context, conn *pgx.Conn, f func(tx pgx.Tx) error) error {
	tx, err := Begin(ctx, conn)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback(ctx) // the first error is the cause
		return err
	}
	return tx.Commit(ctx)
}

// Summarize returns an error of one line for pgx's error, which lists every address and method
// that was tried. It has the server's error if there is one, else the last error of each address. It is
// marked by [plugin.Unavailable] if the server is unavailable.
func Summarize(err error) error {
	var serverErr *pg.PgError
	if errors.As(err, &serverErr) {
		return Unavailable(serverErr)
	}
	var unfit *unusableSession
	if errors.As(err, &unfit) {
		return unfit
	}
	lines := strings.Split(err.Error(), "\n\t")
	address := func(line string) string {
		address, _, _ := strings.Cut(line, " (")
		return address
	}
	var last []string
	for i, line := range lines[min(1, len(lines)-1):] {
		if n := len(last); i > 0 && address(line) == address(last[n-1]) { // with TLS, and without
			last[n-1] = line
			continue
		}
		last = append(last, line)
	}
	return Unavailable(&summarizedError{strings.TrimSpace(strings.Join(last, "; ")), err})
}

// summarizedError is an error with a shorter text.
type summarizedError struct {
	text string
	err  error
}

func (r *summarizedError) Error() string { return r.text }
func (r *summarizedError) Unwrap() error { return r.err }

// Close closes the connection. It waits at most one second for the server.
func Close(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it is closed in any case
}
