package monitoring

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// metric is a row of gateway/docs/metrics.md.
type metric struct {
	name, kind, meaning string
	labels              []string
}

var (
	metricRow  = regexp.MustCompile("(?m)^\\| `(gateway_\\w+)` \\| (\\w+) \\|([^|]*)\\|[^|]*\\| (.*) \\|$")
	metricName = regexp.MustCompile(`\bgateway_\w+`)
	link       = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`)
)

// metricTable holds the metrics by name.
type metricTable map[string]metric

func readMetrics(t *testing.T) metricTable {
	t.Helper()
	table := metricTable{}
	for _, m := range metricRow.FindAllStringSubmatch(read(t, "../docs/metrics.md"), -1) {
		labels := strings.FieldsFunc(m[3], func(r rune) bool { return r == ',' || r == ' ' })
		labels = slices.DeleteFunc(labels, func(l string) bool { return l == "NAME" }) // the same as component
		table[m[1]] = metric{m[1], m[2], link.ReplaceAllString(m[4], "$1"), labels}
	}
	if len(table) < 80 {
		t.Fatalf("metrics.md has only %d metrics", len(table))
	}
	return table
}

// find returns the metric of a name in an expression; that of a histogram may have a suffix.
func (table metricTable) find(name string) (metric, bool) {
	m, ok := table[name]
	if !ok {
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if base, cut := strings.CutSuffix(name, suffix); cut && table[base].kind == "histogram" {
				return table[base], true
			}
		}
	}
	return m, ok
}

// in returns the metrics of an expression, and the names of gateway_* that are none.
func (table metricTable) in(expr string) (found []metric, unknown []string) {
	for _, name := range metricName.FindAllString(expr, -1) {
		if m, ok := table.find(name); ok {
			found = append(found, m)
		} else {
			unknown = append(unknown, name)
		}
	}
	return found, unknown
}
