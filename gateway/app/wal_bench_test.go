package app

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"eventgateway/gateway/pgtrigger"
	"eventgateway/gateway/testenv"
)

// BenchmarkDrainWAL compares the reading of a slot that is far behind with a bare loop, which receives the same messages, and neither
// parses nor confirms them. It reports the CPU of the session that decodes the WAL, per row, apart.
func BenchmarkDrainWAL(b *testing.B) {
	for perTransaction, rows := range map[int]int{1: drainRows / 3, 100: drainRows} {
		b.Run(fmt.Sprintf("%d rows per transaction", perTransaction), func(b *testing.B) {
			url := testenv.Postgres(b).URL()
			var sessions []float64
			db := testenv.Connect(b)
			compareToBare(b,
				func() measurement {
					fillSlot(b, rows, perTransaction)
					return measure(b, rows, func() { receiveInserts(b, url, rows) })
				},
				func() (m measurement) {
					fillSlot(b, rows, perTransaction)
					var g *running
					m = measure(b, rows, func() {
						g = startGateway(b, writeConfig(b, walConfig), nil)
						testenv.Eventually(b, time.Minute, "all read", func() bool { return g.source("orders_db").Acked == uint64(rows) })
					})
					sessions = append(sessions, float64(sessionTime(b, db).Microseconds())/float64(rows))
					g.stop()
					return m
				})
			b.ReportMetric(median(sessions), "us-CPU-server")
		})
	}
}

// fillSlot makes a slot, and inserts rows, in transactions of a number of rows.
func fillSlot(b *testing.B, rows, perTransaction int) {
	b.Helper()
	db := testenv.Connect(b)
	defer db.Close(b.Context())
	recreate(b, db, walSQL())
	for _, sql := range []string{
		pgtrigger.SlotSQL("gateway"),
		fmt.Sprintf(`DO $$ BEGIN FOR n IN 1 .. %d LOOP
			INSERT INTO orders (customer_name, product_name, status, amount) SELECT 'Ada Lovelace', 'Keyboard', 'pending', 12.50 FROM generate_series(1, %d); COMMIT;
		END LOOP; END $$`, rows/perTransaction, perTransaction),
	} {
		if _, err := db.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
}

// receiveInserts receives the messages of the slot until a number of rows has arrived.
func receiveInserts(b *testing.B, url string, rows int) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), passTime)
	defer cancel()
	conn, err := pgconn.Connect(ctx, url+"&replication=database")
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close(context.Background())
	err = pglogrepl.StartReplication(ctx, conn, "gateway", 0, pglogrepl.StartReplicationOptions{
		Mode: pglogrepl.LogicalReplication, PluginArgs: []string{"proto_version '1'", "publication_names 'gateway'"},
	})
	for received := 0; received < rows && err == nil; {
		var m pgproto3.BackendMessage
		if m, err = conn.ReceiveMessage(ctx); err != nil {
			break
		}
		data, ok := m.(*pgproto3.CopyData)
		switch {
		case !ok:
			err = errors.New("the server has ended the replication")
		case data.Data[0] == pglogrepl.XLogDataByteID && data.Data[25] == 'I':
			received++
		}
	}
	if err != nil {
		b.Fatal(err)
	}
}
