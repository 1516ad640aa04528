package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// column is a column of the table, with the units of the metrics that it has. The second metric of a column is that of the bare
// loop, and is printed behind a slash.
type column struct {
	head  string
	units []string // of the gateway; a benchmark reports one of them
	bare  string   // unit of the same for the bare loop, or ""
}

var columns = []column{
	{"gateway/s", []string{"events/s", "deliveries/s", "requests/s", "rows/s"}, ""},
	{"bare/s", []string{"bare/s"}, ""},
	{"ratio", []string{"ratio-to-bare"}, ""},
	{"CPU us / bare", []string{"us-CPU/event", "us-CPU/delivery", "us-cpu/delivery"}, "us-cpu-bare"},
	{"allocs", []string{"allocs/event", "allocs/op"}, ""},
	{"p50 ms / bare", []string{"p50-ms"}, "p50-ms-bare"},
	{"p99 ms / bare", []string{"p99-ms"}, "p99-ms-bare"},
	{"peak MB", []string{"peak-MB"}, ""},
	{"lost", []string{"lost"}, ""},
}

// table returns a Markdown table with a row for each result, aligned for a terminal.
func table(results []result) string {
	head := []string{"path"}
	for _, c := range columns {
		head = append(head, c.head)
	}
	rows := [][]string{append(head, "other")}
	for _, r := range results {
		rows = append(rows, row(r))
	}
	return align(rows)
}

// row returns the cells of a result. Metrics without a column are in the last cell. The time of
// a run is there only where the benchmark reports no metric of its own.
func row(r result) []string {
	rest := maps.Clone(r.Metrics)
	take := func(unit string) string {
		value, ok := rest[unit]
		if !ok {
			return ""
		}
		delete(rest, unit)
		return number(value)
	}
	cells := []string{r.Path}
	for _, c := range columns {
		cell := ""
		for _, unit := range c.units {
			if cell == "" {
				cell = take(unit)
			}
		}
		if bare := take(c.bare); cell != "" && bare != "" {
			cell += " / " + bare
		}
		cells = append(cells, cell)
	}
	for unit := range r.Metrics {
		if !strings.HasSuffix(unit, "/op") {
			delete(rest, "ns/op") // of a whole run, with its setup
		}
	}
	var others []string
	for _, unit := range slices.Sorted(maps.Keys(rest)) {
		others = append(others, number(rest[unit])+" "+unit)
	}
	return append(cells, strings.Join(others, ", "))
}

// number returns x with three digits, or all of its integer part.
func number(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x >= 100 || x <= -100:
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return strconv.FormatFloat(x, 'g', 3, 64)
}

// align formats rows as a table whose columns have equal width. The first row is the head.
func align(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, cells := range rows {
		for i, cell := range cells {
			widths[i] = max(widths[i], len(cell), 3)
		}
	}
	var out strings.Builder
	for n, cells := range rows {
		for i, cell := range cells {
			fmt.Fprintf(&out, "| %-*s ", widths[i], cell)
		}
		out.WriteString("|\n")
		if n == 0 {
			for _, w := range widths {
				out.WriteString("| " + strings.Repeat("-", w) + " ")
			}
			out.WriteString("|\n")
		}
	}
	return out.String()
}
