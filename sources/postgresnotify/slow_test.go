package postgresnotify

import (
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestLargeRowOnSlowLink: a row that needs longer than a fetch may hang comes whole.
func TestLargeRowOnSlowLink(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, `DROP TABLE IF EXISTS honest; CREATE TABLE honest (id int PRIMARY KEY, note text);`+trigger("public", "honest"))
	proxy, url := testenv.ProxyURL(t, testenv.Postgres(t).URL())
	proxy.Throttle(100_000)
	next := listening(t, func(o *Options) { o.URL = options.NewURL(url) })
	exec(t, db, `INSERT INTO honest SELECT 1, string_agg(md5(random()::text), '') FROM generate_series(1, 22000)`)
	if got := next(); strings.Contains(got, fetchField) || len(got) < 700_000 {
		t.Errorf("got %d bytes: %.200s", len(got), got)
	}
}
