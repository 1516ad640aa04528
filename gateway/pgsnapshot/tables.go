package pgsnapshot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"

	"eventgateway/gateway/pgconn"
)

// Tables is the progress of the tables, by the name in events. It is immutable.
type Tables map[string]Table

// Table is the progress of one table.
type Table struct {
	// Since is a transaction id. Rows that this transaction or a later one wrote may be emitted as changes, too.
	Since string   `json:"since"`
	Key   string   `json:"key,omitempty"`   // [KeyID] of the table when After was read; After is not valid for another one
	After []string `json:"after,omitempty"` // the key that was read last, as text; empty before the first
	Done  bool     `json:"done,omitempty"`
	// Again makes the IDs differ from those of an earlier snapshot of the table.
	Again int64 `json:"again,omitempty"`
}

// With returns the progress with another state of a table.
func (t Tables) With(table string, state Table) Tables {
	changed := Tables{}
	maps.Copy(changed, t)
	changed[table] = state
	return changed
}

// WithChunk returns the progress after the rows of a chunk up to the key after.
func (t Tables) WithChunk(c *Chunk, after []string) Tables {
	state := t[c.Table]
	return t.With(c.Table, Table{Since: state.Since, Again: state.Again, Key: c.KeyID, After: after})
}

// WithDone returns the progress with a table that is done.
func (t Tables) WithDone(table string) Tables {
	state := t[table]
	return t.With(table, Table{Since: state.Since, Again: state.Again, Done: true})
}

// KeyID identifies a table and its key, by the table's OID and the names and types of the key's columns.
func KeyID(table uint32, key []pgconn.KeyColumn) string {
	var names, types []string
	for _, c := range key {
		names, types = append(names, c.Name), append(types, c.Type)
	}
	return fmt.Sprintf("%d %q %q", table, names, types)
}

// RowID returns the ID of the event of a row. It is the same each time the row is read for the same snapshot. It is safe in
// a header for every key.
func (t Table) RowID(table string, key []string) string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q", table, key)
	since := t.Since
	if t.Again > 0 {
		since += "." + strconv.FormatInt(t.Again, 10)
	}
	return "snapshot-" + since + "-" + hex.EncodeToString(h.Sum(nil)[:16])
}
