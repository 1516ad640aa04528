package postgresoutbox

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestRandomFailoversAndRestores kills primaries and restores copies at random during writes. All rows
// that the database has in the end were delivered, and each step back is reported. SEED repeats a run,
// RUNS is their number.
func TestRandomFailoversAndRestores(t *testing.T) {
	seed := uint64(sourcetest.EnvInt(t, "SEED", int(time.Now().UnixNano()%1_000_000)))
	for i := range sourcetest.EnvInt(t, "RUNS", 1) {
		t.Run(fmt.Sprint("SEED=", seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			if rnd.IntN(2) == 0 || i%2 == 1 {
				randomFailover(t, rnd)
			} else {
				randomRestore(t, rnd)
			}
		})
		seed++
	}
}

func randomFailover(t *testing.T, rnd *rand.Rand) {
	p, standby, crash := startLaggingStandby(t, 1+rnd.IntN(500), 1+rnd.IntN(1000))
	crash()
	writeAndCheck(t, p, testenv.ConnectTo(t, standby), rnd)
}

func randomRestore(t *testing.T, rnd *rand.Rand) {
	server := testenv.StartPostgres(t)
	db := install(t, server)
	p := follow(t, server.URL())
	before, lost := 1+rnd.IntN(500), 1+rnd.IntN(1000)
	sourcetest.Exec(t, db, sourcetest.InsertItems, 1, before, 1)
	p.AwaitItems(t, 1, rnd.IntN(before), 1)
	dir := testenv.Backup(t, server)
	sourcetest.Exec(t, db, sourcetest.InsertItems, before+1, before+lost, 1)
	p.AwaitItems(t, before+1, before+lost, 1)
	done := sourcetest.KeepWriting(db, 5_001)
	testenv.Crash(t, server)
	<-done
	writeAndCheck(t, p, testenv.ConnectTo(t, testenv.StartFromBackup(t, dir, testenv.Port(t, server))), rnd)
}

// writeAndCheck writes in many transactions, and checks that all rows of the database were delivered.
func writeAndCheck(t *testing.T, p *sourcetest.Follower, db *pgx.Conn, rnd *rand.Rand) {
	t.Helper()
	next := 10_001
	for range 1 + rnd.IntN(5) {
		n := 1 + rnd.IntN(2000)
		sourcetest.Exec(t, db, sourcetest.InsertItems, next, next+n, 2)
		next += n + 1
	}
	p.AwaitItems(t, 10_001, next-1, 2)
	var ids []int
	if err := db.QueryRow(t.Context(), "SELECT array_agg(id) FROM items WHERE v = 1").Scan(&ids); err != nil {
		t.Fatal(err)
	}
	p.AwaitRows(t, ids, 1)
	testenv.WaitForSQL(t, db, outboxEmptySQL)
	if len(p.Reasons()) == 0 {
		t.Error("no gap was reported")
	}
}
