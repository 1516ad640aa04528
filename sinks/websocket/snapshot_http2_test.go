package websocket

import (
	"bufio"
	"net/http"
	"testing"

	"eventgateway/gateway/testenv"
)

// TestSnapshotOverHTTP2 proves that snapshots come by HTTP/2 as by HTTP/1.1, several on one connection, and that a client
// which leaves in the middle ends its own only.
func TestSnapshotOverHTTP2(t *testing.T) {
	const rows = 20_000
	execSQL(t, testenv.Connect(t), `DROP TABLE IF EXISTS streamed; CREATE TABLE streamed (id int PRIMARY KEY, note text); INSERT INTO streamed SELECT n, repeat('x', 200) FROM generate_series(1, 20000) n`)
	s, server := newSink(t, withTable(t, "streamed"), newHTTP2Server)
	req, err := http.NewRequestWithContext(testenv.Context(t), "GET", server.URL+"/?snapshot=streamed", nil)
	if err != nil {
		t.Fatal(err)
	}
	leaves, err := server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if in := bufio.NewScanner(leaves.Body); !in.Scan() || leaves.ProtoMajor != 2 {
		t.Fatalf("%s, %v", leaves.Proto, in.Err())
	}
	for range 2 {
		a := requestSnapshot(t, server, "snapshot=streamed", nil)
		if !a.last.Complete || a.last.Rows != rows || len(a.rows) != rows {
			t.Fatalf("%d rows, %+v", len(a.rows), a.last)
		}
	}
	leaves.Body.Close()
	testenv.Eventually(t, testenv.Wait, "no snapshot under way", func() bool {
		s.snapshots.mu.Lock()
		defer s.snapshots.mu.Unlock()
		return s.snapshots.active == 0
	})
}
