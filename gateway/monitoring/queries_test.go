package monitoring

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

var variable = regexp.MustCompile(`^label_values\((.+), (\w+)\)$`)

// testQueries proves that Prometheus answers each query of the dashboard with data of the time since began.
func testQueries(t *testing.T, p *prometheus, began time.Time) {
	t.Helper()
	table := readMetrics(t)
	values := strings.NewReplacer("$job", "gateway", "$instance", ".*", "$component", ".*", "$__rate_interval", "4s")
	ask := func(where, expr string, absent bool) {
		t.Helper()
		expr = values.Replace(expr)
		result, err := p.queryRange(expr, began, time.Second)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			return
		}
		for _, s := range result {
			for _, value := range s.Values {
				if value[1] != "NaN" {
					if absent {
						t.Errorf("%s has data: %s", where, expr)
					}
					return
				}
			}
		}
		if !absent {
			t.Errorf("%s has no data: %s", where, expr)
		}
	}
	for _, r := range rows {
		for _, one := range r.panels {
			for _, q := range one.queries {
				ask(r.title+", "+one.title, table.expression(t, q), one.absent != "")
			}
		}
	}
	ask("the annotation", reloads(t, table)["expr"].(string), false)
	for _, v := range variables() {
		if v["type"] != "query" {
			continue
		}
		m := variable.FindStringSubmatch(v["definition"].(string))
		if m == nil {
			t.Fatalf("the variable %s is %s", v["name"], v["definition"])
		}
		ask("the variable "+v["name"].(string), "count by ("+m[2]+") ("+m[1]+")", false)
	}
}
