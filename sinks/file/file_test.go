package file

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	dir := t.TempDir()
	path, files := "", 0
	plugintest.Sink(t, plugintest.SinkHarness{
		Type: Type(),
		Reachable: func(o any) {
			files++
			path = filepath.Join(dir, fmt.Sprint(files, "events.jsonl")) // another one each time
			o.(*Options).Path = path
		},
		Unreachable: func(o any) { o.(*Options).Path = filepath.Join(dir, "no", "such", "folder") },
		Receive: func(t testing.TB, _ plugin.Env) func() string {
			n := 0
			return func() string {
				e, err := event.ParseLine(lines(t, path)[n])
				if err != nil {
					t.Fatal(err)
				}
				n++
				return string(e.Data)
			}
		},
	})
}

func lines(t testing.TB, path string) [][]byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
}

// open opens a sink on a file of the test.
func open(t *testing.T, set func(*Options)) *sink {
	t.Helper()
	o := Type().Defaults().(*Options)
	o.Path = filepath.Join(t.TempDir(), "events.jsonl")
	o.Format = "payload"
	if set != nil {
		set(o)
	}
	impl, err := Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	s := impl.(*sink)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(t.Context()) })
	return s
}

func (s *sink) write(t *testing.T, payloads ...string) {
	t.Helper()
	var events []*event.Event
	for _, p := range payloads {
		events = append(events, &event.Event{Data: []byte(p)})
	}
	if err := s.Write(t.Context(), events); err != nil {
		t.Fatal(err)
	}
}

func text(t *testing.T, path string) string { return string(bytes.Join(lines(t, path), []byte(" "))) }

func TestIncompleteLineGetsAnEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(path, []byte("1\n{\"half\":"), 0o600); err != nil { // a kill -9 within a write
		t.Fatal(err)
	}
	s := open(t, func(o *Options) { o.Path = path })
	s.write(t, "2", "3")
	s.write(t, "4")
	if got := text(t, path); got != `1 {"half": 2 3 4` {
		t.Errorf("%s", got)
	}
}

// TestOpenDuringAWrite proves that a reload can open the successor while the predecessor writes. A line that is complete by the
// successor's first write gets no second end.
func TestOpenDuringAWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(path, []byte("1\n{\"half\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, func(o *Options) { o.Path = path })
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("2}\n"); err != nil {
		t.Fatal(err)
	}
	s.write(t, "3")
	if got := text(t, path); got != `1 {"half":2} 3` {
		t.Errorf("%s", got)
	}
}

func TestRotation(t *testing.T) {
	for keep, want := range map[int]int{0: 9, 2: 2} {
		s := open(t, func(o *Options) { o.Rotate = Rotate{Size: 100, Keep: keep} })
		dir := filepath.Dir(s.opts.Path)
		if err := os.WriteFile(s.opts.Path+".mine", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for n := range 100 { // ten to a file
			s.write(t, fmt.Sprintf(`"%07d"`, n))
		}
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) != want+2 {
			t.Fatalf("keep %d: %d files, %v", keep, len(entries), err)
		}
		var all []string
		for _, e := range entries[1:] { // the present one comes first
			if !strings.HasSuffix(e.Name(), ".mine") {
				all = append(all, text(t, filepath.Join(dir, e.Name())))
			}
		}
		all = append(all, text(t, s.opts.Path))
		if got := strings.Fields(strings.Join(all, " ")); len(got) != 10*(want+1) || got[len(got)-1] != `"0000099"` || got[0] != fmt.Sprintf(`"%07d"`, 100-len(got)) {
			t.Errorf("keep %d: %d lines from %s to %s", keep, len(got), got[0], got[len(got)-1])
		}
	}
}

// TestRotationByAnotherProgram proves that the sink begins a new file at its path.
func TestRotationByAnotherProgram(t *testing.T) {
	s := open(t, nil)
	s.write(t, "1")
	if err := os.Rename(s.opts.Path, s.opts.Path+".1"); err != nil {
		t.Fatal(err)
	}
	s.write(t, "2")
	if err := os.Remove(s.opts.Path); err != nil {
		t.Fatal(err)
	}
	s.write(t, "3")
	if a, b := text(t, s.opts.Path+".1"), text(t, s.opts.Path); a != "1" || b != "3" {
		t.Errorf("%q and %q", a, b)
	}
}

func TestProbe(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		filepath.Join(dir, "new"):    "will be created",
		filepath.Join(dir, "a", "b"): "mkdir -p " + filepath.Join(dir, "a"),
		dir:                          "is not a file",
	} {
		f := (&sink{opts: Options{Path: path}}).Probe(t.Context())
		if got := f[0].Text + f[0].Fix; !strings.Contains(got, want) {
			t.Errorf("%s: %s", path, got)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("it has made %v", entries)
	}
}

// TestProbeOfSpace proves that the probe finds a full disk.
func TestProbeOfSpace(t *testing.T) {
	for free, want := range map[uint64]plugin.Finding{
		0:         {Level: plugin.Problem, Text: "the disk of /d is full: nothing can be written"},
		4096:      {Level: plugin.Warning, Text: "the disk of /d is nearly full: 4096 bytes are free"},
		100 << 20: {Text: "the disk of /d has 100 MiB free"},
	} {
		if got := spaceFinding("/d", free); got.Level != want.Level || got.Text != want.Text || (got.Fix == "") != (want.Level == plugin.OK) {
			t.Errorf("%d bytes: %+v", free, got)
		}
	}
	dir := t.TempDir()
	kept := filepath.Join(dir, "kept")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{kept, filepath.Join(dir, "new")} {
		found := (&sink{opts: Options{Path: path}}).Probe(t.Context())
		if len(found) != 2 || !strings.Contains(found[1].Text, dir) {
			t.Errorf("%s: %v", path, found)
		}
	}
}
