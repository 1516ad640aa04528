package postgreswal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/rawjson"
)

// readBack reads the values that the server has not sent because the UPDATE has not changed them. It reads them from the table, by the
// row's key, as they are now. If a later change has changed them, its event follows. readBack returns nil if the row is gone, has
// another key now, or may not be read. The result has values as JSON, by the number of the column.
func (r *reader) readBack(ctx context.Context, rel *relation, columns []column, row *rowText) (map[int][]byte, error) {
	if _, known := row.key(rel); !known {
		return nil, nil
	}
	if err := r.awaitVisible(ctx); err != nil {
		return nil, err
	}
	var args, names []string
	for _, i := range rel.key {
		args, names = append(args, string(columns[i].text)), append(names, rel.columns[i].name)
	}
	found, err := r.readRow(ctx, rel, names, args)
	if errors.Is(err, pgconn.ErrChanged) { // the table was rewritten while the row was read
		found, err = r.readRow(ctx, rel, names, args)
	}
	switch {
	case err == nil:
	case ctx.Err() != nil, plugin.IsUnavailable(pgconn.Unavailable(err)), hasState(err, lockNotAvailable):
		return nil, fmt.Errorf("cannot read a row of %s: %w", rel.table, pgconn.Unavailable(err))
	default:
		r.s.reportOnce(r.out, fmt.Errorf("cannot read unchanged columns of %s, so that its events lack them: %w: ALTER TABLE %s REPLICA IDENTITY FULL makes the server send them", rel.table, err, rel.name))
		return nil, nil
	}
	if found == nil {
		return nil, nil
	}
	var tree rawjson.Tree
	var members []int
	for _, i := range row.missing {
		members = append(members, tree.Member(0, rel.columns[i].name))
	}
	spans := make([]rawjson.Span, tree.Len())
	if err := tree.Find(found, spans); err != nil {
		return nil, fmt.Errorf("cannot parse a row of %s: %w", rel.table, err)
	}
	values := map[int][]byte{}
	for n, i := range row.missing {
		if value := spans[members[n]].Of(found); len(value) > 0 {
			values[i] = value
		}
	}
	if len(values) < len(row.missing) { // a column was renamed or dropped since, so the others may not be those of the change either
		return nil, nil
	}
	return values, nil
}

// readRow reads the row with a key, in a session of its own, because code of the table's owner may run there.
func (r *reader) readRow(ctx context.Context, rel *relation, key, args []string) ([]byte, error) {
	table := rel.name.String()
	reading, err := r.s.rowReader.Begin(ctx, table, "", func(columns []pgconn.KeyColumn, partitioned bool) (string, error) {
		if !slices.EqualFunc(columns, key, func(c pgconn.KeyColumn, name string) bool { return c.Name == name }) {
			return "", pgconn.ErrChanged
		}
		return pgconn.KeyQuery{Table: table, Partitioned: partitioned, Key: columns}.RowSQL(), nil
	})
	if err != nil {
		return nil, err
	}
	defer reading.End(ctx)
	if err := reading.Run(ctx, args); err != nil {
		return nil, err
	}
	rows, err := reading.Rows(ctx, 0)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return rows[0].Data, nil
}

// lockNotAvailable is the SQLSTATE of a lock that another session holds for too long.
const lockNotAvailable = "55P03"

func hasState(err error, state string) bool {
	var serverErr *pg.PgError
	return errors.As(err, &serverErr) && serverErr.Code == state
}
