package postgreswal

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"eventgateway/gateway/testenv"
	"eventgateway/gateway/testenv/sourcetest"
)

// reportingOutput records the errors of parts of the source.
type reportingOutput struct {
	*sourcetest.Collector
	mu       sync.Mutex
	reported error
}

func (o *reportingOutput) ReportError(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reported = errors.Join(o.reported, err)
}

func (o *reportingOutput) errors() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reported
}

// TestPublicationThatLosesATable proves that a running source reports tables and operations that its publication does not have any more.
func TestPublicationThatLosesATable(t *testing.T) {
	for sql, want := range map[string]string{
		"ALTER PUBLICATION gateway DROP TABLE items":                 "it does not have public.items",
		"ALTER TABLE items RENAME TO others":                         "it does not have public.items",
		"ALTER PUBLICATION gateway SET (publish = 'insert, delete')": "it does not publish update, truncate",
	} {
		t.Run(want, func(t *testing.T) {
			db := kind.Reset(t, "DROP TABLE IF EXISTS others; "+sourcetest.ItemsSQL, "items")
			l := &lagging{t: t, db: db, set: func(o *Options) { o.URL, o.Tables = newSource(t, nil).opts.URL, []string{"items"} }}
			out := &reportingOutput{Collector: sourcetest.NewCollector()}
			sourcetest.Start(t, l.build(), out.Collector, out)
			sourcetest.Exec(t, db, "INSERT INTO items VALUES (1)")
			out.Await(t, 1)
			if err := out.errors(); err != nil {
				t.Error(err)
			}
			sourcetest.Exec(t, db, sql)
			testenv.Eventually(t, testenv.Wait, "the source reports it", func() bool { return strings.Contains(fmt.Sprint(out.errors()), want) })
		})
	}
}

// TestNamesOfColumns proves that odd names of columns stand in a row as row_to_json writes them.
func TestNamesOfColumns(t *testing.T) {
	db := kind.Reset(t, `CREATE TABLE items (id int PRIMARY KEY, U&"\2028\0001\007F<\\" int, "a""b,c" text, "\u0041" int);`, "items")
	st := start(t, nil, sourcetest.NewCollector())
	var want string
	if err := db.QueryRow(testenv.Context(t), `WITH new AS (INSERT INTO items VALUES (1, 2, 'x', 3) RETURNING *) SELECT row_to_json(new) FROM new`).Scan(&want); err != nil {
		t.Fatal(err)
	}
	if got := string(st.Await(t, 1)[0].Data); !strings.Contains(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
