package postgresoutbox

import (
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestAdviceUnderLoad follows what the log and check --live advise, literally and during writes. Nothing is lost.
func TestAdviceUnderLoad(t *testing.T) {
	for name, c := range map[string]struct {
		spoil string
		want  string // in the findings
		mend  string // as advised, or as operators do nevertheless
	}{
		"a sequence with a cache": {"ALTER TABLE gateway.outbox ALTER COLUMN id SET CACHE 20", "SET CACHE 1", "ALTER TABLE gateway.outbox ALTER COLUMN id SET CACHE 1"},
		"changes above the sequence": {"SELECT setval('gateway.outbox_id_seq', greatest(1, (SELECT min(id) FROM gateway.outbox) - 20000))",
			"start the gateways of all readers", "SELECT 1"},
		"a sequence that is set forward": {"SELECT setval('gateway.outbox_id_seq', 1)", "went back",
			"SELECT setval('gateway.outbox_id_seq', greatest((SELECT max(id) FROM gateway.outbox), (SELECT max(hi) FROM gateway.outbox_reader)))"},
		"a sequence that is set to the highest id": {"SELECT 1", "the sequence is at", "SELECT setval('gateway.outbox_id_seq', (SELECT max(id) FROM gateway.outbox))"},
	} {
		t.Run(name, func(t *testing.T) {
			db := resetDatabase(t, sourcetest.ItemsSQL, "items")
			sourcetest.Exec(t, db, "SELECT setval('gateway.outbox_id_seq', 30000)")
			url := testenv.Postgres(t).URL()
			a, b := follow(t, url), followAs(t, url, "b", nil)
			writers := sourcetest.StartLoad(t, url, 1)
			writers.Await(t, 50)
			a.Stop()
			b.Stop()
			writers.Await(t, 50)
			sourcetest.Exec(t, db, c.spoil)
			writers.Await(t, 50)
			if got := probeText(t, nil); !strings.Contains(got, c.want) {
				t.Errorf("the findings lack %q:\n%s", c.want, got)
			}
			sourcetest.Exec(t, db, c.mend)
			next, other := follow(t, url), followAs(t, url, "b", nil)
			writers.Await(t, 50)
			writers.Stop()
			next.Prepend(a.Events())
			other.Prepend(b.Events())
			requireConserved(t, db, []int{1}, next, other)
		})
	}
}
