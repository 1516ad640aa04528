package pgtrigger

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// runAtDatabase lists the installed SQL, or migrates it.
func (r request) runAtDatabase(ctx context.Context, in plugin.Invocation) error {
	conn, url, err := Connect(ctx, in, r.url, "sql")
	if err != nil {
		return err
	}
	defer pgconn.Close(conn)
	found, err := FindInstalled(ctx, conn)
	if err != nil {
		return fmt.Errorf("at %s: %w", url, err)
	}
	if r.status {
		w, err := findWAL(ctx, conn)
		if err != nil {
			return fmt.Errorf("at %s: %w", url, err)
		}
		return errors.Join(printStatus(in, url, found, w.installed), w.print(in.Out))
	}
	return r.runMigrate(ctx, in, conn, url, found)
}

// runMigrate prints or applies the migration of SQL that the session's role owns.
func (r request) runMigrate(ctx context.Context, in plugin.Invocation, conn *pgx.Conn, url options.URL, found []Installed) error {
	var role string
	if err := conn.QueryRow(ctx, "SELECT current_user::pg_catalog.text").Scan(&role); err != nil {
		return fmt.Errorf("at %s: %w", url, err)
	}
	sql, foreign, err := MigrateSQL(found, role)
	if err != nil {
		return fmt.Errorf("at %s: %w", url, err)
	}
	for _, i := range foreign {
		if i.Older() {
			fmt.Fprintf(in.Out, "-- left out, because it belongs to another role: %v\n", i.VersionError())
		}
	}
	switch {
	case sql == "":
		_, err = fmt.Fprintf(in.Out, "-- nothing to do at %s for the role %s\n", url, role)
		return err
	case r.apply:
		return applySQL(ctx, in, conn, url, sql, "")
	}
	_, err = fmt.Fprint(in.Out, scriptSQL(sql))
	return err
}

// printStatus prints the trigger functions. wal says whether the database has something else of the gateway.
func printStatus(in plugin.Invocation, url options.URL, found []Installed, wal bool) error {
	if len(found) == 0 && wal {
		return nil
	}
	if len(found) == 0 {
		_, err := fmt.Fprintf(in.Out, "nothing is installed at %s: gateway sql --table TABLE --apply\n", url)
		return err
	}
	w := tabwriter.NewWriter(in.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FUNCTION\tMODE\tVERSION\tOWNER\tTABLES")
	old := false
	for _, i := range found {
		version := fmt.Sprint(i.Version)
		if i.Older() {
			old, version = true, version+" (old)"
		} else if i.Version > Version {
			version += " (newer than this gateway)"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", i.Function, i.Mode, version, i.Owner, strings.Join(i.Tables, ", "))
	}
	err := w.Flush()
	if old && err == nil {
		_, err = fmt.Fprintln(in.Out, "bring the old ones up to date: gateway sql --migrate --apply")
	}
	return err
}

// Connect connects a command to the URL raw, or to DATABASE_URL if raw is empty.
func Connect(ctx context.Context, in plugin.Invocation, raw, command string) (*pgx.Conn, options.URL, error) {
	return connect(ctx, in, raw, command, nil)
}

// connect is [Connect] with a function that gets the server's notices.
func connect(ctx context.Context, in plugin.Invocation, raw, command string, notice pg.NoticeHandler) (*pgx.Conn, options.URL, error) {
	if raw == "" {
		value, set, err := in.Lookup("DATABASE_URL")
		if err != nil {
			return nil, options.URL{}, err
		}
		if !set || value == "" {
			return nil, options.URL{}, errors.New("this needs a database: give --url, or set DATABASE_URL")
		}
		raw = value
	}
	var url options.URL
	if err := url.UnmarshalText([]byte(raw)); err != nil {
		return nil, url, fmt.Errorf("the URL of the database %w", err)
	}
	config, err := pgconn.PrimaryConfig(url, command)
	if err != nil {
		return nil, url, fmt.Errorf("the URL of the database %w", err)
	}
	config.OnNotice = notice
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe // no statement has a name, which a pooler's next session would not know
	conn, err := pgconn.Connect(ctx, config)
	if err != nil {
		return nil, url, fmt.Errorf("cannot connect to %s: %w", url, options.NewRedactor(url, config.Password).Error(pgconn.Summarize(err)))
	}
	return conn, url, nil
}

// raisedNotice is the SQLSTATE of a RAISE NOTICE, as in the SQL of this package. The server's own notices have others.
const raisedNotice = "00000"

// printNotices returns a handler that prints what the SQL of this package raises.
func printNotices(out io.Writer) pg.NoticeHandler {
	return func(_ *pg.PgConn, n *pg.Notice) {
		if n.Code == raisedNotice {
			fmt.Fprintln(out, n.Message)
		}
	}
}

// Statements that cannot lock a table are retried: each attempt waits only shortly for the lock, so that
// users' writes do not wait behind it.
const (
	lockAttempts = 40
	lockPause    = 250 * time.Millisecond
)

// lockTimeoutSQL bounds the wait for a table's lock, behind which all writes of the table wait. It is
// the same as in outbox.sql.
const lockTimeoutSQL = "SET LOCAL lock_timeout = '500ms';\n"

// SQLSTATEs of a lock that another session has, and of two sessions that wait for each other.
const (
	lockNotAvailable = "55P03"
	deadlockDetected = "40P01"
)

// ApplySQL connects a command as [Connect] does, and executes statements in one transaction. Then it executes after, unless that is "". While
// another session has the lock of a table, it tries again, for about half a minute. It prints the notices that the statements raise.
func ApplySQL(ctx context.Context, in plugin.Invocation, raw, sql, after string) error {
	conn, url, err := connect(ctx, in, raw, "sql", printNotices(in.Out))
	if err != nil {
		return err
	}
	defer pgconn.Close(conn)
	return applySQL(ctx, in, conn, url, sql, after)
}

// applySQL executes statements in one transaction: they are one message. Then it executes after, unless that is "".
func applySQL(ctx context.Context, in plugin.Invocation, conn *pgx.Conn, url options.URL, sql, after string) error {
	err := retryLocked(ctx, func() error { _, err := conn.Exec(ctx, sql); return err })
	if err == nil && after != "" {
		_, err = conn.Exec(ctx, after)
	}
	var serverErr *pg.PgError
	if errors.As(err, &serverErr) && serverErr.Hint != "" && !isLocked(err) {
		return fmt.Errorf("at %s: %w: %s", url, err, serverErr.Hint)
	}
	if err != nil {
		return fmt.Errorf("at %s: %w", url, err)
	}
	_, err = fmt.Fprintf(in.Out, "done at %s\n", url)
	return err
}

// retryLocked calls exec again while it fails because another session has a lock, at most lockAttempts times.
func retryLocked(ctx context.Context, exec func() error) error {
	for attempt := 1; ; attempt++ {
		err := exec()
		switch {
		case !isLocked(err):
			return err
		case attempt == lockAttempts || ctx.Err() != nil:
			return fmt.Errorf("%w: a transaction is open that has written the table; try again when it has ended", err)
		}
		select {
		case <-time.After(lockPause):
		case <-ctx.Done():
		}
	}
}

// isLocked reports whether a statement failed because another session has a lock.
func isLocked(err error) bool {
	var serverErr *pg.PgError
	return errors.As(err, &serverErr) && (serverErr.Code == lockNotAvailable || serverErr.Code == deadlockDetected)
}
