package main

import (
	"regexp"
	"strconv"
	"strings"
)

// result is the result of one benchmark: its name, and its metrics by their units.
type result struct {
	Path    string             `json:"path"`
	Metrics map[string]float64 `json:"metrics"`
}

// cores is the number of processors, which go test appends to the name of a benchmark.
var cores = regexp.MustCompile(`-\d+$`)

// parse parses a line of go test -bench, such as "BenchmarkRelay-2  1  6458823157 ns/op  0.86 ratio-to-bare". It reports false for
// other lines.
func parse(line string) (result, bool) {
	fields := strings.Fields(line)
	if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
		return result{}, false
	}
	if _, err := strconv.Atoi(fields[1]); err != nil {
		return result{}, false
	}
	path := cores.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
	r := result{strings.ReplaceAll(path, "_", " "), map[string]float64{}}
	for i := 2; i < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return result{}, false
		}
		r.Metrics[fields[i+1]] = value
	}
	return r, true
}

// isLog reports whether a line belongs to the log of a benchmark, which go test indents.
func isLog(line string) bool {
	return strings.HasPrefix(line, "    ") || strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "--- BENCH") || strings.HasPrefix(line, "Benchmark")
}

// isFailure reports whether a line of go test says that a test or a package has failed.
func isFailure(line string) bool {
	return strings.HasPrefix(line, "--- FAIL") || strings.HasPrefix(line, "FAIL") || strings.HasPrefix(line, "panic:")
}
