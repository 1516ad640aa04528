// Command bench reads the output of go test -bench and prints one table of all benchmarks. It prints what it reads, too,
// except results and logs, so that one sees how far a run is. With -o it writes each result as a line of JSON.
//
// A benchmark gets the columns of the table by the units of its metrics (testing.B.ReportMetric), which columns.go lists. Other
// metrics are in the last column.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	file := flag.String("o", "", "`file` that gets each result as a line of JSON")
	flag.Parse()
	if err := run(os.Stdin, os.Stdout, *file); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// run returns an error where the input has no result, or where a test has failed: the exit status of go test is lost in a pipe.
func run(in io.Reader, out io.Writer, file string) error {
	var results []result
	failed := ""
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		r, ok := parse(line)
		if ok {
			results = append(results, r)
			continue
		}
		if isFailure(line) {
			failed = line
		}
		if !isLog(line) || failed != "" {
			fmt.Fprintln(out, line)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("cannot read the output of go test: %w", err)
	}
	if len(results) == 0 {
		return fmt.Errorf("no benchmark has run: pipe the output of go test -bench into this command")
	}
	if _, err := io.WriteString(out, "\n"+table(results)); err != nil {
		return err
	}
	if file != "" {
		if err := writeLines(file, results); err != nil {
			return err
		}
	}
	if failed != "" {
		return fmt.Errorf("a benchmark has failed: %s", failed)
	}
	return nil
}

// writeLines writes each result as a line of JSON.
func writeLines(file string, results []result) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	enc := json.NewEncoder(f)
	for _, r := range results {
		if err := enc.Encode(r); err != nil {
			return err
		}
	}
	return f.Close()
}
