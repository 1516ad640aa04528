package sourcetest

import (
	"context"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
)

// LaggingStandby is a standby that lacks changes of its primary which a follower has got.
type LaggingStandby struct {
	Follower *Follower
	Standby  *testenv.PostgresServer
	Promote  func() // crashes the primary under a writer, and promotes the standby
}

// StartLaggingStandby starts a primary with the table items, and its standby. install captures the changes of items, follow
// starts a source at a URL, and stored waits until the source has stored that all is acked. The items up to number before are on
// both servers, and a number of further ones, lost, only on the primary.
func StartLaggingStandby(t testing.TB, install func(*pgx.Conn), follow func(url string) *Follower, stored func(*pgx.Conn), before, lost int) LaggingStandby {
	t.Helper()
	primary := testenv.StartPostgres(t)
	db := testenv.ConnectTo(t, primary)
	install(db)
	dir := testenv.Backup(t, primary, "-R")
	standby := testenv.StartFromBackup(t, dir, testenv.FreePort(t))
	f := follow(fmt.Sprintf("postgres://postgres@127.0.0.1:%d,127.0.0.1:%d/postgres?sslmode=disable&target_session_attrs=read-write",
		testenv.Port(t, primary), testenv.Port(t, standby)))
	Exec(t, db, InsertItems, 1, before, 1)
	f.AwaitItems(t, 1, before, 1)
	stored(db)
	replica := testenv.ConnectTo(t, standby)
	var position string
	if err := db.QueryRow(t.Context(), "SELECT pg_current_wal_flush_lsn()::text").Scan(&position); err != nil {
		t.Fatal(err)
	}
	testenv.WaitForSQL(t, replica, "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", position)
	Exec(t, replica, "ALTER SYSTEM SET primary_conninfo = ''")
	Exec(t, replica, "SELECT pg_reload_conf()")
	testenv.WaitForSQL(t, replica, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
	Exec(t, db, InsertItems, before+1, before+lost, 1)
	f.AwaitItems(t, before+1, before+lost, 1)
	return LaggingStandby{Follower: f, Standby: standby, Promote: func() {
		done := KeepWriting(db, 5_001)
		testenv.Crash(t, primary)
		<-done
		Exec(t, replica, "SELECT pg_promote(true)")
	}}
}

// KeepWriting inserts items from an id on, one by one, until the server ends. It returns when some are there.
func KeepWriting(db *pgx.Conn, from int) (done chan struct{}) {
	begun := make(chan struct{})
	done = make(chan struct{})
	go func() {
		defer close(done)
		for id := from; ; id++ {
			if _, err := db.Exec(context.Background(), InsertItems, id, id, 1); err != nil {
				return
			}
			if id == from+10 {
				close(begun)
			}
		}
	}()
	select {
	case <-begun:
	case <-done:
	}
	return done
}
