package postgreswal

import (
	"context"
	"encoding/binary"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/inflight"
	"eventgateway/gateway/pgjson"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/gateway/testenv/sourcetest"
)

// ackingOutput acks each batch at once.
type ackingOutput struct{ plugintest.Output }

func (ackingOutput) Emit(_ context.Context, b event.Batch) error {
	b.Ack.Settle(nil)
	return nil
}

// prepareDecoder returns a function that has a reader process a transaction with one change of an order.
func prepareDecoder(t testing.TB) func() {
	db := kind.Reset(t, `CREATE TABLE orders (id bigserial PRIMARY KEY, customer_name text NOT NULL, product_name text NOT NULL, status text NOT NULL, updated_at timestamptz NOT NULL, amount numeric)`, "orders")
	var oid uint32
	if err := db.QueryRow(t.Context(), "SELECT 'orders'::regclass::oid").Scan(&oid); err != nil {
		t.Fatal(err)
	}
	sourcetest.Exec(t, db, "SET search_path = pg_catalog, pg_temp")
	r := &reader{s: newSource(t, nil), out: ackingOutput{}, conn: db, relations: map[uint32]*relation{}, types: pgjson.NewTypes(), snapshot: &snapshot{}}
	r.inFlight = inflight.NewPositionTracker(mark{})
	columns := []struct {
		name string
		oid  uint32
		text string
	}{
		{"id", 20, "123456"}, {"customer_name", 25, "Ada Lovelace"}, {"product_name", 25, "Analytical engine"}, {"status", 25, "pending"},
		{"updated_at", 1184, "2026-11-26 17:00:00.123456+00"}, {"amount", 1700, "1234.50"},
	}
	rel := binary.BigEndian.AppendUint32([]byte("R"), oid)
	rel = append(rel, "public\x00orders\x00f"...)
	rel = binary.BigEndian.AppendUint16(rel, uint16(len(columns)))
	insert := binary.BigEndian.AppendUint32([]byte("I"), oid)
	insert = binary.BigEndian.AppendUint16(append(insert, 'N'), uint16(len(columns)))
	for _, c := range columns {
		rel = binary.BigEndian.AppendUint32(append(append(append(rel, 1), c.name...), 0), c.oid)
		rel = append(rel, 0xff, 0xff, 0xff, 0xff)
		insert = append(binary.BigEndian.AppendUint32(append(insert, textColumn), uint32(len(c.text))), c.text...)
	}
	process := func(data []byte) {
		if err := r.process(t.Context(), message{data: data}); err != nil {
			t.Fatal(err)
		}
	}
	process(rel)
	begin, commit, lsn := make([]byte, 21), make([]byte, 26), uint64(1)
	begin[0], commit[0] = 'B', 'C'
	return func() {
		lsn += 100
		binary.BigEndian.PutUint64(begin[1:], lsn)
		binary.BigEndian.PutUint64(commit[10:], lsn+10)
		process(begin)
		process(insert)
		process(commit)
	}
}

// TestAllocations bounds what one change costs between the stream and the router.
func TestAllocations(t *testing.T) {
	one := prepareDecoder(t)
	if got := testing.AllocsPerRun(1000, one); got > 11 {
		t.Errorf("%v allocations for a transaction with one change, want at most 11", got)
	}
}

func BenchmarkDecode(b *testing.B) {
	one := prepareDecoder(b)
	b.ReportAllocs()
	for b.Loop() {
		one()
	}
}
