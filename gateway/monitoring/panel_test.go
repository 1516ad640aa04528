package monitoring

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// row is a part of the dashboard.
type row struct {
	title  string
	panels []panel
}

// panel is one panel. Its description is the meaning of its metrics in metrics.md.
type panel struct {
	title   string
	unit    string // as Grafana calls it; empty: short
	show    string // the type of the panel; empty: timeseries
	width   int    // of 24 columns; 0: 8
	good    string // the value that is green, 0 or 1; empty: no colour
	queries []query
	text    string // an addition to the description
	absent  string // why the gateways of the test do not have it; empty: they have
}

// query is one query of a panel: the metric of a name, or an expression. {} behind a name in the expression stands for the variables of the
// dashboard.
type query struct {
	metric, expr, legend string
	rare                 bool // the increase instead of the rate
}

// of returns the queries of metrics: a counter as its rate, anything else as it is.
func of(names ...string) (queries []query) {
	for _, name := range names {
		queries = append(queries, query{metric: name})
	}
	return queries
}

// times returns the queries of counters of rare events: how often they happened in the interval of a point.
func times(names ...string) (queries []query) {
	for _, name := range names {
		queries = append(queries, query{metric: name, rare: true})
	}
	return queries
}

// calc returns the query of an expression.
func calc(expr, legend string) query { return query{expr: expr, legend: legend} }

var (
	selector   = regexp.MustCompile(`\b(gateway[\w:]*|process_\w+|go_\w+|up)\{([^{}]*)\}`)
	components = []string{"component", "source", "route", "sink"}
)

// expression returns the query as Prometheus gets it.
func (table metricTable) expression(t *testing.T, q query) string {
	t.Helper()
	expr := q.expr
	if q.metric != "" {
		m, ok := table[q.metric]
		if !ok {
			t.Fatalf("metrics.md has no %s", q.metric)
		}
		expr = m.name + "{}"
		switch {
		case q.rare:
			expr = "increase(" + expr + "[$__rate_interval])"
		case m.kind == "counter":
			expr = "rate(" + expr + "[$__rate_interval])"
		}
	}
	return selector.ReplaceAllStringFunc(expr, func(found string) string {
		m := selector.FindStringSubmatch(found)
		matchers := []string{`job=~"$job"`}
		if !strings.Contains(m[1], ":") { // a recorded one is of all instances
			matchers = append(matchers, `instance=~"$instance"`)
		}
		if named, ok := table.find(m[1]); ok {
			for _, label := range components {
				if slices.Contains(named.labels, label) {
					matchers = append(matchers, label+`=~"$component"`)
					break
				}
			}
		}
		if m[2] != "" {
			matchers = append(matchers, m[2])
		}
		return m[1] + "{" + strings.Join(matchers, ", ") + "}"
	})
}

// legendOf returns the legend of a query: the labels of its metric, and what distinguishes it from the others of the panel.
func (table metricTable) legendOf(p panel, q query) string {
	if q.metric == "" {
		return q.legend
	}
	words := []string{"{{instance}}"}
	for _, label := range table[q.metric].labels {
		words = append(words, "{{"+label+"}}")
	}
	if len(p.queries) > 1 {
		words = append(words, shortName(q.metric))
	}
	return strings.Join(words, " ")
}

// shortName returns the name of a metric without what all in its row have in common.
func shortName(name string) string {
	for _, prefix := range []string{"gateway_", "source_", "route_", "sink_", "websocket_", "outbox_", "wal_", "http_"} {
		name = strings.TrimPrefix(name, prefix)
	}
	return strings.ReplaceAll(strings.TrimSuffix(name, "_total"), "_", " ")
}

// metrics returns the metrics of a panel, without repetitions.
func (table metricTable) metrics(t *testing.T, p panel) (found []metric) {
	t.Helper()
	for _, q := range p.queries {
		in, unknown := table.in(table.expression(t, q))
		for _, name := range unknown {
			t.Errorf("the panel %q reads %s, which metrics.md does not have", p.title, name)
		}
		for _, m := range in {
			if !slices.ContainsFunc(found, func(f metric) bool { return f.name == m.name }) {
				found = append(found, m)
			}
		}
	}
	return found
}

// description returns the meanings of the metrics of a panel.
func (table metricTable) description(t *testing.T, p panel) string {
	t.Helper()
	var lines []string
	metrics := table.metrics(t, p)
	for _, m := range metrics {
		line := m.meaning
		if len(metrics) > 1 {
			line = fmt.Sprintf("`%s`: %s", m.name, m.meaning)
		}
		lines = append(lines, line)
	}
	if p.text != "" {
		lines = append(lines, p.text)
	}
	return strings.Join(lines, "\n\n")
}
