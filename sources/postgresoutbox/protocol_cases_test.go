package postgresoutbox

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/event"
	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// protocolCase is a running case: a known way to lose or to reorder changes.
type protocolCase struct {
	t      *testing.T
	db     *pgx.Conn
	source *runningSource
	set    func(*Options)
	broken bool
}

// restart stops the reader and starts another one. Where the protocol is to be broken, it
// first does to the database what another protocol would have done by now.
func (f *protocolCase) restart(instead string, args ...any) {
	f.t.Helper()
	f.source.Stop()
	if f.broken {
		sourcetest.Exec(f.t, f.db, instead, args...)
	}
	f.source = start(f.t, f.set, f.source.Collector)
}

// number asks the database for a number.
func (f *protocolCase) queryInt(sql string) (n int64) {
	f.t.Helper()
	if err := f.db.QueryRow(testenv.Context(f.t), sql).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

const (
	end        = 999 // the row that is inserted last, when all has committed
	forgetGaps = "UPDATE gateway.outbox_reader SET gaps = '{}', low = hi, snapshot = NULL"
)

// protocolCases each end with all transactions committed. want is what must have arrived before the row
// end.
var protocolCases = map[string]struct {
	ddl   string
	poll  bool
	steps func(f *protocolCase)
	want  string
}{
	// A reader that steps over a gap when the oldest transaction is newer than all that there
	// were: y takes the lowest id, z the next, x the newest; x draws the first id; y draws the
	// second and commits; z ends; and x, which lies above what a snapshot calls its end, is
	// still open.
	"three transactions": {want: "I2 I1", steps: func(f *protocolCase) {
		x, y, z := newSession(f.t), newSession(f.t), newSession(f.t)
		sourcetest.Exec(f.t, y, "BEGIN; SELECT pg_current_xact_id()")
		sourcetest.Exec(f.t, z, "BEGIN; SELECT pg_current_xact_id()")
		sourcetest.Exec(f.t, x, "BEGIN; SELECT pg_current_xact_id()")
		sourcetest.Exec(f.t, x, "INSERT INTO items VALUES (1)")
		sourcetest.Exec(f.t, y, "INSERT INTO items VALUES (2)")
		xmax := f.queryInt("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint") // before the reader writes, which takes a newer id
		sourcetest.Exec(f.t, y, "COMMIT")
		f.source.Await(f.t, 1)
		sourcetest.Exec(f.t, z, "COMMIT")
		awaitCursor(f.t, f.db, "hi = 2 AND gaps = '{[1,2)}' AND low = 0")
		if xmin := f.queryInt("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"); xmin < xmax {
			f.t.Fatalf("xmin %d has not passed xmax %d: this is not the case", xmin, xmax)
		}
		f.restart(forgetGaps)
		sourcetest.Exec(f.t, x, "COMMIT")
	}},
	// A reader that goes by the highest id.
	"late commit": {want: "I2 I3 I1", steps: func(f *protocolCase) {
		late := newSession(f.t)
		sourcetest.Exec(f.t, late, "BEGIN; INSERT INTO items VALUES (1)")
		sourcetest.Exec(f.t, f.db, "INSERT INTO items VALUES (2); INSERT INTO items VALUES (3)")
		f.source.Await(f.t, 2)
		awaitCursor(f.t, f.db, "gaps = '{[1,2)}'")
		f.restart(forgetGaps)
		sourcetest.Exec(f.t, late, "COMMIT")
	}},
	// A reader that goes by transaction ids: this one is low, and writes late.
	"early transaction that writes late": {want: "I1 I2 I4 I3", steps: func(f *protocolCase) {
		early := newSession(f.t)
		sourcetest.Exec(f.t, early, "BEGIN; SELECT pg_current_xact_id()")
		sourcetest.Exec(f.t, f.db, "INSERT INTO items VALUES (1); INSERT INTO items VALUES (2)")
		f.source.Await(f.t, 2)
		sourcetest.Exec(f.t, early, "INSERT INTO items VALUES (3)")
		sourcetest.Exec(f.t, f.db, "INSERT INTO items VALUES (4)")
		f.source.Await(f.t, 3)
		awaitCursor(f.t, f.db, "gaps = '{[3,4)}'")
		f.restart(forgetGaps)
		sourcetest.Exec(f.t, early, "COMMIT")
	}},
	// A reader that looks for the transaction which has drawn the id, and not for the one
	// that it is a part of.
	"savepoints": {want: "I3 I1 U1 U1", steps: func(f *protocolCase) {
		late := newSession(f.t)
		sourcetest.Exec(f.t, late, "BEGIN; INSERT INTO items VALUES (1); SAVEPOINT a; UPDATE items SET v = 2 WHERE id = 1; SAVEPOINT b; UPDATE items SET v = 9 WHERE id = 1; ROLLBACK TO b")
		sourcetest.Exec(f.t, late, "RELEASE a; UPDATE items SET v = 3 WHERE id = 1")
		sourcetest.Exec(f.t, f.db, "INSERT INTO items VALUES (3)")
		f.source.Await(f.t, 1)
		awaitCursor(f.t, f.db, "gaps = '{[1,5)}'")
		<-time.After(3 * holdersEvery) // it looks, and must not give up
		f.restart("UPDATE gateway.outbox_reader SET gaps = '{[1,2)}', low = 0, snapshot = NULL")
		sourcetest.Exec(f.t, late, "COMMIT")
	}},
	// A reader that knows a transaction by the name that it had before it was prepared.
	"prepared": {poll: true, want: "I2 I1", steps: func(f *protocolCase) {
		late := newSession(f.t)
		sourcetest.Exec(f.t, late, "BEGIN; INSERT INTO items VALUES (1)")
		sourcetest.Exec(f.t, f.db, "INSERT INTO items VALUES (2)")
		f.source.Await(f.t, 1)
		awaitCursor(f.t, f.db, "gaps = '{[1,2)}'")
		<-time.After(3 * holdersEvery) // it has seen who may fill the gap
		sourcetest.Exec(f.t, late, "PREPARE TRANSACTION 'late'")
		<-time.After(3 * holdersEvery)
		f.restart(forgetGaps)
		<-time.After(3 * holdersEvery)
		sourcetest.Exec(f.t, f.db, "COMMIT PREPARED 'late'")
	}},
	// A trigger that comes behind a user's, which changes the row again.
	"user's trigger on the same row": {
		ddl: `CREATE FUNCTION more() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			UPDATE items SET v = v + 1 WHERE id = NEW.id AND v < 3 AND id < 900; RETURN NULL; END $$;
			CREATE TRIGGER a_first AFTER INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION more();`,
		want: "I1 U1 U1", steps: func(f *protocolCase) {
			if f.broken { // while nobody looks: a reader that starts wants its trigger
				sourcetest.Exec(f.t, f.db, `ALTER TRIGGER "!gateway_outbox" ON items RENAME TO gateway_outbox`)
			}
			sourcetest.Exec(f.t, f.db, "INSERT INTO items VALUES (1)")
		},
	},
	// A sequence that gives each session ids in advance.
	"sequence cache": {want: "I50 I1 I2 I3", steps: func(f *protocolCase) {
		other := newSession(f.t)
		sourcetest.Exec(f.t, f.db, "INSERT INTO items VALUES (50)")
		f.source.Await(f.t, 1)
		awaitCursor(f.t, f.db, "hi = 1") // it has looked at the sequence, and does so again only later
		if f.broken {
			sourcetest.Exec(f.t, f.db, "ALTER TABLE gateway.outbox ALTER COLUMN id SET CACHE 10")
		}
		sourcetest.Exec(f.t, other, "INSERT INTO items VALUES (1)") // and has nine more
		f.source.Await(f.t, 2)
		sourcetest.Exec(f.t, f.db, "INSERT INTO items VALUES (2)")
		f.source.Await(f.t, 3)
		awaitCursor(f.t, f.db, "hi >= 3 AND gaps = '{}'")
		sourcetest.Exec(f.t, other, "INSERT INTO items VALUES (3)")
	}},
	// A reader that deletes all that is below the highest id.
	"retention beside a gap": {want: "I2 I1", steps: func(f *protocolCase) {
		late := newSession(f.t)
		sourcetest.Exec(f.t, late, "BEGIN; INSERT INTO items VALUES (1)")
		sourcetest.Exec(f.t, f.db, "INSERT INTO items VALUES (2)")
		f.source.Await(f.t, 1)
		awaitCursor(f.t, f.db, "gaps = '{[1,2)}'")
		f.source.Stop() // it was just about to look
		sourcetest.Exec(f.t, late, "COMMIT")
		f.restart("DELETE FROM gateway.outbox WHERE id <= (SELECT hi FROM gateway.outbox_reader)")
	}},
}

// TestProtocolCases runs each case with the protocol, and with a deliberate fault in it. The fault must
// be visible as a missing or reordered change.
func TestProtocolCases(t *testing.T) {
	for name, c := range protocolCases {
		for _, broken := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/broken=%v", name, broken), func(t *testing.T) {
				set := func(o *Options) {
					o.Output = "change"
					if c.poll {
						o.Wake = "poll"
					}
				}
				db := resetDatabase(t, sourcetest.ItemsSQL+c.ddl, "items")
				source := newSource(t, set)
				if broken { // another protocol does not look whether something was written late
					source.deleteEvery = time.Hour
				}
				f := &protocolCase{t: t, db: db, set: set, broken: broken, source: startSource(t, source, sourcetest.NewCollector())}
				c.steps(f)
				sourcetest.Exec(t, db, "INSERT INTO items VALUES ($1)", end)
				got := strings.Join(f.untilEnd(), " ")
				if ok := got == c.want; ok == broken {
					t.Errorf("arrived: %s, want %s", got, c.want)
				}
			})
		}
	}
}

// untilEnd returns what has arrived before the row end.
func (f *protocolCase) untilEnd() []string {
	f.t.Helper()
	for n := 1; ; n++ {
		events := f.source.Await(f.t, n)
		all := strings.Fields(sourcetest.OperationsOf(f.t, events))
		if all[n-1] == fmt.Sprint("I", end) {
			return all[:n-1]
		}
	}
}

// TestSchemaChange proves that rows are emitted as they were written, with the keys of the present
// schema.
func TestSchemaChange(t *testing.T) {
	db := resetDatabase(t, sourcetest.ItemsSQL, "items")
	sourcetest.Exec(t, db, `INSERT INTO items VALUES (1, 5);
		ALTER TABLE items RENAME COLUMN v TO amount; INSERT INTO items VALUES (2, 6);
		ALTER TABLE items ADD COLUMN more text DEFAULT 'x'; UPDATE items SET amount = 7 WHERE id = 1;
		ALTER TABLE items RENAME COLUMN id TO number; INSERT INTO items VALUES (3, 8);
		ALTER TABLE items ALTER COLUMN amount TYPE text; DELETE FROM items WHERE number = 2;`)
	st := start(t, asChange, sourcetest.NewCollector())
	events := st.Await(t, 5)
	for i, want := range []string{
		`"new":{"id":1,"v":5}}`, `"new":{"id":2,"amount":6}}`, `"old":{"id":1,"amount":5,"more":"x"},"new":{"id":1,"amount":7,"more":"x"}}`,
		`"new":{"number":3,"amount":8,"more":"x"}}`, `"old":{"number":2,"amount":"6","more":"x"},"new":null}`,
	} {
		if !strings.HasSuffix(string(events[i].Data), want) {
			t.Errorf("got  %s\nwant %s", events[i].Data, want)
		}
	}
	sourcetest.Exec(t, db, `ALTER TABLE items DROP COLUMN amount; INSERT INTO items (number) VALUES (4)`)
	if e := st.Await(t, 6)[5]; !strings.HasSuffix(string(e.Data), `"new":{"number":4,"more":"x"}}`) || e.Key != "public.items:4" {
		t.Errorf("%s: %s", e.Key, e.Data)
	}
	keys := sourcetest.Join(events, func(e *event.Event) string { return e.Key })
	if keys != "public.items:1 public.items:2 public.items:1 public.items:3 public.items:2 " {
		t.Errorf("keys: %s", keys)
	}
}
