package postgresoutbox

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/pgconn"
)

// rowAlias is a name that no column has.
const rowAlias = `"the gateway's row"`

// chunk reads the next rows of a table that existed when its snapshot began, in the order of
// the primary key.
type chunk struct {
	r       *reader
	table   string
	reading *pgconn.Reading
	args    []string
}

// beginChunk opens the view of the database that a chunk, and the changes before it, are read
// in.
func (r *reader) beginChunk(ctx context.Context, table string) (*chunk, error) {
	key, err := r.keyOf(ctx, table)
	if err != nil {
		return nil, err
	}
	if len(key.columns) == 0 {
		return nil, errors.New("the table is gone, or has no primary key: take it from tables, or make it")
	}
	state := r.snapshot.Tables[table]
	if state.Key != key.id() {
		state.After = nil // from the beginning: better twice than not at all
	}
	c := &chunk{r: r, table: table, args: append([]string{strconv.Itoa(r.s.chunk), state.Since}, state.After...)}
	owned := pgconn.ForeignTable{Name: key.name, Owners: r.s.opts.Owners}
	c.reading, err = pgconn.BeginReading(ctx, r.conn, owned, key.chunkSQL(len(state.After) > 0))
	return c, err
}

// chunkSQL is the query of a chunk. Its argument is the limit, the oldest transaction that
// may come as a change, too, and, after the first chunk, the key that was read last.
func (k *tableKey) chunkSQL(after bool) string {
	var names, texts, places []string
	for i, c := range k.columns {
		name := rowAlias + "." + pgx.Identifier{c}.Sanitize()
		names, texts = append(names, name), append(texts, name+"::text")
		places = append(places, fmt.Sprintf("($1::text[])[%d]::%s", i+3, k.types[i]))
	}
	only, where := "ONLY ", ""
	if k.partitioned {
		only = ""
	}
	if after {
		where = fmt.Sprintf("WHERE (%s) > (%s)", strings.Join(names, ", "), strings.Join(places, ", "))
	}
	return fmt.Sprintf(`SELECT ARRAY[%s], row_to_json(%[2]s.*)::text, age(%[2]s.xmin) <= age(($1::text[])[2]::xid8::xid) FROM %[3]s %[2]s %[4]s ORDER BY %[5]s LIMIT ($1::text[])[1]::bigint`,
		strings.Join(texts, ", "), rowAlias, only+k.name, where, strings.Join(names, ", "))
}

// rows reads the rows. An error that the server has answered leaves the connection usable.
func (c *chunk) rows(ctx context.Context) ([]pgconn.ReadRow, error) {
	rows, err := c.reading.Query(ctx, c.args)
	var answered *pg.PgError
	if err != nil && !errors.As(err, &answered) {
		return nil, fmt.Errorf("cannot read %s: %w", c.table, err)
	}
	if err != nil {
		return nil, err
	}
	bytes := 0
	for _, one := range rows {
		bytes += len(one.Data)
	}
	switch s := c.r.s; { // the next chunk is as large as fits
	case bytes > maxBytes/8:
		s.chunk = max(s.chunk/2, 1)
	case bytes < maxBytes/32:
		s.chunk = min(2*s.chunk, maxRows)
	}
	return rows, nil
}
