package postgresnotify

import (
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv"
)

// TestLargeRowOnSlowLink proves that a row arrives complete although its transfer takes longer than the
// fetch timeout.
func TestLargeRowOnSlowLink(t *testing.T) {
	db := testenv.Connect(t)
	exec(t, db, `DROP TABLE IF EXISTS honest; CREATE TABLE honest (id int PRIMARY KEY, note text);`+trigger("public", "honest"))
	proxy, url := testenv.ProxyURL(t, testenv.Postgres(t).URL())
	proxy.Throttle(100_000)
	next := startListening(t, func(o *Options) { o.URL = options.NewURL(url) })
	exec(t, db, `INSERT INTO honest SELECT 1, string_agg(md5(random()::text), '') FROM generate_series(1, 22000)`)
	if got := next(); strings.Contains(got, fetchField) || len(got) < 700_000 {
		t.Errorf("got %d bytes: %.200s", len(got), got)
	}
}
