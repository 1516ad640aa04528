package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const output = `goos: linux
NOTIFY to 1 client, pair 0: gateway 100/s
BenchmarkNotify/1_client-2   	       1	3371423041 ns/op	    146360 events/s	   0.8116 ratio-to-bare	   180000 bare/s	  5.5 us-CPU/event	  3.25 us-cpu-bare	 0 lost	 7 retries
--- BENCH: BenchmarkNotify/1_client-2
    harness_test.go:132: level=INFO msg=listening
BenchmarkQueue-2             	 5000	    213.4 ns/op	      16 B/op	       2 allocs/op
PASS
ok  	eventgateway/gateway/app	17.642s
`

// TestOneTable proves that each metric is in its column, the others in the last one, and that logs are left out.
func TestOneTable(t *testing.T) {
	var out strings.Builder
	file := filepath.Join(t.TempDir(), "bench.jsonl")
	if err := run(strings.NewReader(output), &out, file); err != nil {
		t.Fatal(err)
	}
	want := `goos: linux
NOTIFY to 1 client, pair 0: gateway 100/s
PASS
ok  	eventgateway/gateway/app	17.642s

| path            | gateway/s | bare/s | ratio | CPU us / bare | allocs | p50 ms / bare | p99 ms / bare | peak MB | lost | other              |
| --------------- | --------- | ------ | ----- | ------------- | ------ | ------------- | ------------- | ------- | ---- | ------------------ |
| Notify/1 client | 146360    | 180000 | 0.812 | 5.5 / 3.25    |        |               |               |         | 0    | 7 retries          |
| Queue           |           |        |       |               | 2      |               |               |         |      | 16 B/op, 213 ns/op |
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
	text, err := os.ReadFile(file)
	if lines := strings.Split(string(text), "\n"); err != nil || len(lines) != 3 || !strings.HasPrefix(lines[0], `{"path":"Notify/1 client","metrics":{"bare/s":180000,`) {
		t.Errorf("got %q, %v", text, err)
	}
}

// TestFailuresOfARun proves that a benchmark that fails, and a run without results, are errors.
func TestFailuresOfARun(t *testing.T) {
	for _, text := range []string{output + "--- FAIL: BenchmarkRelay-2\n", output + "FAIL\teventgateway/gateway/app [build failed]\n", "PASS\n", ""} {
		var out strings.Builder
		if err := run(strings.NewReader(text), &out, ""); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}
