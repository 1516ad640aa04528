package postgresoutbox

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// TestCopyWithResetSequences restores a dump in a new server, where the sequence begins again, as in a copy by
// logical replication. A reader that is new there starts while writers write, and one of the dump later. Each gets
// all that was committed, also what was not delivered before.
func TestCopyWithResetSequences(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := install(t, server)
	for range 300 { // so that transaction ids are higher than the new server's
		sourcetest.Exec(t, db, "SELECT pg_current_xact_id()")
	}
	p := follow(t, server.URL())
	deliverItems(t, db, 1, 500, p)
	p.Stop()
	sourcetest.Exec(t, db, sourcetest.InsertItems, 501, 510, 1)
	other := testenv.StartPostgres(t)
	dumpInto(t, server.URL(), other.URL())
	db = testenv.ConnectTo(t, other)
	sourcetest.Exec(t, db, "ALTER SEQUENCE gateway.outbox_id_seq RESTART")
	writers := sourcetest.StartLoad(t, other.URL(), 2)
	writers.Await(t, 50)
	added := followAs(t, other.URL(), "added", nil)
	added.AwaitItems(t, 501, 510, 1)
	writers.Await(t, 100)
	p = follow(t, other.URL())
	p.AwaitItems(t, 501, 510, 1)
	writers.Await(t, 50)
	writers.Stop()
	requireConserved(t, db, []int{2}, added, p)
	p.RequireGap(t, "another database")
}

// TestRestoreIntoTheSameDatabase restores a dump over the database that it is of, while the gateway is stopped. The
// changes that are gone are told by a gap, and later ones are delivered.
func TestRestoreIntoTheSameDatabase(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := install(t, server)
	p := follow(t, server.URL())
	deliverItems(t, db, 1, 100, p)
	testenv.WaitForSQL(t, db, cursorStoredSQL)
	dump, err := exec.Command("pg_dump", "--clean", "--if-exists", "--dbname", server.URL()).Output()
	if err != nil {
		t.Fatal(err)
	}
	deliverItems(t, db, 101, 200, p)
	p.Stop()
	restore := exec.Command("psql", "--dbname", server.URL(), "-v", "ON_ERROR_STOP=1", "-q")
	restore.Stdin = bytes.NewReader(dump)
	if out, err := restore.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	writers := sourcetest.StartLoad(t, server.URL(), 2)
	writers.Await(t, 100)
	p = follow(t, server.URL())
	writers.Await(t, 50)
	writers.Stop()
	requireConserved(t, testenv.ConnectTo(t, server), []int{2}, p)
	p.RequireOneGap(t, "before a restore")
	p.Stop()
	if next := follow(t, server.URL()); len(next.Reasons()) > 0 {
		t.Errorf("a restart reports %q", next.Reasons())
	}
}

// TestCopyOfADatabaseTakesItsName copies a database of the server, gives the copy its name, and resets the sequence.
func TestCopyOfADatabaseTakesItsName(t *testing.T) {
	server := testenv.StartPostgres(t)
	admin := testenv.ConnectTo(t, server)
	sourcetest.Exec(t, admin, "CREATE DATABASE shop")
	url := strings.Replace(server.URL(), "/postgres?", "/shop?", 1)
	db, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	sourcetest.Exec(t, db, sourcetest.ItemsSQL+outbox(t, "items").CreateSQL())
	p := follow(t, url)
	deliverItems(t, db, 1, 200, p)
	p.Stop()
	sourcetest.Exec(t, db, sourcetest.InsertItems, 201, 210, 1)
	if err := db.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sourcetest.Exec(t, admin, "CREATE DATABASE copy TEMPLATE shop")
	sourcetest.Exec(t, admin, "ALTER DATABASE shop RENAME TO shop_before")
	sourcetest.Exec(t, admin, "ALTER DATABASE copy RENAME TO shop")
	if db, err = pgx.Connect(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	sourcetest.Exec(t, db, "ALTER SEQUENCE gateway.outbox_id_seq RESTART")
	writers := sourcetest.StartLoad(t, url, 2)
	writers.Await(t, 50)
	p = follow(t, url)
	p.AwaitItems(t, 201, 210, 1)
	writers.Await(t, 50)
	writers.Stop()
	requireConserved(t, db, []int{2}, p)
	p.RequireGap(t, "another database")
}

// TestPointInTimeRecovery recovers a server to an earlier time during writes, with and without a running gateway.
func TestPointInTimeRecovery(t *testing.T) {
	archive := archiveDir(t)
	server := testenv.StartPostgres(t, "-c", "archive_mode=on", "-c", "archive_command=cp %p "+archive+"/%f")
	db := install(t, server)
	p := follow(t, server.URL())
	dir := testenv.Backup(t, server)
	writers := sourcetest.StartLoad(t, server.URL(), 1)
	writers.Await(t, 100)
	sourcetest.Exec(t, db, "SELECT pg_create_restore_point('before')")
	writers.Await(t, 100)
	writers.Stop()
	sourcetest.RequireDelivered(t, db, []int{1}, p)
	sourcetest.Exec(t, db, "SELECT pg_switch_wal()")
	testenv.WaitForSQL(t, db, "SELECT last_archived_wal >= pg_walfile_name(pg_switch_wal() - 1) FROM pg_stat_archiver")
	port := testenv.Port(t, server)
	if err := server.Stop(testenv.Context(t)); err != nil {
		t.Fatal(err)
	}
	recoverTo(t, dir, archive, "before")
	server = testenv.StartFromBackup(t, dir, port)
	db = testenv.ConnectTo(t, server)
	testenv.WaitForSQL(t, db, "SELECT NOT pg_is_in_recovery()")
	writers = sourcetest.StartLoad(t, server.URL(), 2)
	writers.Await(t, 100)
	sourcetest.RequireDelivered(t, db, []int{1, 2}, p)
	p.RequireOneGap(t, "timeline")
	writers.Stop()
	requireConserved(t, db, []int{1, 2}, p)
}

func archiveDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "egarchive")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { // the server is another user
		t.Fatal(err)
	}
	return dir
}

// recoverTo makes a backup recover from an archive, up to a restore point.
func recoverTo(t *testing.T, dir, archive, point string) {
	t.Helper()
	data := filepath.Join(dir, "data")
	f, err := os.OpenFile(filepath.Join(data, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(f, "restore_command = 'cp %s/%%f %%p'\nrecovery_target_name = '%s'\nrecovery_target_action = 'promote'\n", archive, point)
	}
	if err == nil {
		err = f.Close()
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(data, "recovery.signal"), nil, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPromotedStandbyUnderLoad promotes a standby that lacks the latest delivered changes, while writers move to it.
func TestPromotedStandbyUnderLoad(t *testing.T) {
	p, standby, crash := startLaggingStandby(t, 100, 200)
	crash()
	writers := sourcetest.StartLoad(t, standby.URL(), 2)
	writers.Await(t, 200)
	writers.Stop()
	db := testenv.ConnectTo(t, standby)
	requireConserved(t, db, []int{2}, p) // the standby may lack all earlier rows; p has had them
	p.RequireOneGap(t, "timeline 2")
}
