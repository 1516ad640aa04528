package postgreswal

import (
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestUnchangedValuesOfAWaitingCommit proves that values are read back only when their transaction is visible: with a synchronous
// standby, the server sends it before. Else the value from before the transaction would be read.
func TestUnchangedValuesOfAWaitingCommit(t *testing.T) {
	server := testenv.StartPostgres(t, "-c", "synchronous_standby_names=absent")
	db := testenv.ConnectTo(t, server)
	sourcetest.Exec(t, db, "CREATE TABLE docs (id int PRIMARY KEY, v int, note text, more text); ALTER TABLE docs ALTER note SET STORAGE EXTERNAL, ALTER more SET STORAGE EXTERNAL")
	sourcetest.Exec(t, db, "INSERT INTO docs VALUES (1, 1, repeat('a', 10000), repeat('b', 10000))")
	kind.Install(t, db, "docs")
	setIdentity(t, db, "docs", "DEFAULT")
	out := sourcetest.NewCollector()
	st := start(t, func(o *Options) {
		o.URL, o.Output, o.Tables = options.NewURL(server.URL()), "change", []string{"docs"}
	}, out)
	commit := commitWithoutStandby(t, db, server.URL(), "UPDATE docs SET note = repeat('c', 10000) WHERE id = 1; UPDATE docs SET v = 2 WHERE id = 1")
	testenv.WaitForSQL(t, db, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT pg_current_snapshot()%')") // by awaitVisible
	commit.release()
	events := st.Await(t, 2)
	requireUpdate(t, events[0], 1, "c", "b", "more", "")
	requireUpdate(t, events[1], 2, "c", "b", "note,more", "")
}
