package postgreswal

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// model is a receiver of items that applies events in their order.
type model struct {
	rows    map[int]int  // version by id
	known   map[int]bool // an event of the row has arrived: its state is known, also if it does not exist
	emptied bool         // a TRUNCATE has arrived: all states are known
	reads   int
	read    map[string]int
}

func newModel() *model {
	return &model{rows: map[int]int{}, known: map[int]bool{}, read: map[string]int{}}
}

// apply applies an event. It returns an error if the event does not follow from the row's state: no row goes back, and
// what is read is what the changes before have made of the row.
func (m *model) apply(t testing.TB, e *event.Event) error {
	operation := sourcetest.Operation(e)
	if operation == "TRUNCATE" {
		m.rows, m.emptied = map[int]int{}, true
		return nil
	}
	c := sourcetest.ChangeOf(t, e)
	id, v := idOf(c.Row()), int(c.Row()["v"].(float64))
	state, exists := m.rows[id]
	known := m.known[id] || m.emptied
	var err error
	switch operation {
	case "READ":
		m.reads++
		if known && (!exists || state != v) {
			err = fmt.Errorf("row %d is read with %d, and its changes have made %d (%v) of it", id, v, state, exists)
		}
	case "INSERT":
		if exists {
			err = fmt.Errorf("row %d is inserted with %d, and exists with %d", id, v, state)
		}
	case "UPDATE":
		before := idOf(c.Old)
		if state, exists := m.rows[before]; (m.known[before] || m.emptied) && (!exists || state != int(c.Old["v"].(float64))) {
			err = fmt.Errorf("row %d is updated from %v, and was %d (%v)", before, c.Old["v"], state, exists)
		}
		delete(m.rows, before)
		m.known[before] = true
	case "DELETE":
		if known && (!exists || state != v) {
			err = fmt.Errorf("row %d is deleted with %d, and was %d (%v)", id, v, state, exists)
		}
		delete(m.rows, id)
	}
	m.known[id] = true
	if operation != "DELETE" {
		m.rows[id] = v
	}
	return err
}

func idOf(row map[string]any) int { return int(row["id"].(float64)) }

// requireTable checks that a receiver that applies the events has exactly the rows of items.
func requireTable(t *testing.T, db *pgx.Conn, events []*event.Event) *model {
	t.Helper()
	m, failed := newModel(), 0
	for i, e := range events {
		if err := m.apply(t, e); err != nil {
			if failed++; failed <= 10 {
				t.Errorf("event %d of %d: %v", i, len(events), err)
			}
		}
	}
	rows, err := db.Query(testenv.Context(t), "SELECT id, v FROM items")
	if err != nil {
		t.Fatal(err)
	}
	var id, v int
	count, wrong := 0, 0
	if _, err := pgx.ForEachRow(rows, []any{&id, &v}, func() error {
		count++
		if got, found := m.rows[id]; !found || got != v {
			if wrong++; wrong <= 10 {
				t.Errorf("row %d is %d (%v), want %d", id, got, found, v)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if count != len(m.rows) {
		t.Errorf("the receiver has %d rows, and the table %d", len(m.rows), count)
	}
	return m
}

// awaitComplete waits until the snapshot is complete and all events are stored as acked.
func awaitComplete(t *testing.T, db *pgx.Conn, st *sourcetest.Running) []*event.Event {
	t.Helper()
	kind.AwaitSnapshots(t, db, 1)
	sourcetest.Exec(t, db, "INSERT INTO items VALUES (-1, 0)")
	events := st.AwaitKey(t, "public.items:-1")
	kind.AwaitStored(t, db, events)
	return st.Events()
}
