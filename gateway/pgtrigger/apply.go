package pgtrigger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/options"
	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// atDatabase lists what is installed, or brings it up to date.
func (r request) atDatabase(ctx context.Context, in plugin.Invocation) error {
	conn, url, err := r.connect(ctx, in)
	if err != nil {
		return err
	}
	defer pgconn.Close(conn)
	found, err := FindInstalled(ctx, conn)
	if err != nil {
		return fmt.Errorf("at %s: %w", url, err)
	}
	if r.status {
		return printStatus(in, url, found)
	}
	sql, err := MigrateSQL(found)
	switch {
	case err != nil:
		return fmt.Errorf("at %s: %w", url, err)
	case sql == "":
		_, err = fmt.Fprintf(in.Out, "-- nothing to do at %s: everything is version %d\n", url, Version)
		return err
	case r.apply:
		return carryOut(ctx, in, conn, url, sql)
	}
	_, err = fmt.Fprint(in.Out, "BEGIN;\n"+sql+"COMMIT;\n")
	return err
}

func printStatus(in plugin.Invocation, url options.URL, found []Installed) error {
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

// connect connects to --url, or to DATABASE_URL.
func (r request) connect(ctx context.Context, in plugin.Invocation) (*pgx.Conn, options.URL, error) {
	raw := r.url
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
	config, err := pgconn.Config(url, "sql")
	if err != nil {
		return nil, url, fmt.Errorf("the URL of the database %w", err)
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, url, fmt.Errorf("cannot connect to %s: %w", url, options.NewRedactor(url, config.Password).Error(pgconn.Reason(err)))
	}
	return conn, url, nil
}

// carryOut executes statements in one transaction: that of a message with several statements.
func carryOut(ctx context.Context, in plugin.Invocation, conn *pgx.Conn, url options.URL, sql string) error {
	if _, err := conn.Exec(ctx, sql); err != nil {
		var hint string
		var said *pg.PgError
		if errors.As(err, &said) && said.Hint != "" {
			hint = ": " + said.Hint
		}
		return fmt.Errorf("at %s: %w%s", url, err, hint)
	}
	_, err := fmt.Fprintf(in.Out, "done at %s\n", url)
	return err
}
