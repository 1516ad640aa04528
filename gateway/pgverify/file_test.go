package pgverify

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"eventgateway/gateway/event"
	"eventgateway/gateway/plugin"
	"eventgateway/gateway/plugin/plugintest"
	"eventgateway/sinks/file"
)

// linesOf reads an input, and returns its new lines.
func linesOf(t testing.TB, in input) (lines []string) {
	t.Helper()
	if err := in.read(t.Context(), func(one item) error {
		lines = append(lines, string(one.line))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return lines
}

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
}

func compress(t testing.TB, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestFollowFile proves which lines a file that grows has, and that a line which is being written is read when it is complete.
func TestFollowFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	if _, err := openFile(path); err == nil {
		t.Fatal("a file that does not exist is opened")
	}
	appendTo(t, path, "1\n\n  \n{\"half\":")
	in, err := openFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.close()
	long := `"` + strings.Repeat("x", 1<<20) + `"`
	for i, step := range []struct {
		text string
		want []string
	}{
		{"", []string{"1"}},
		{"", nil},
		{"2}\n3", []string{`{"half":2}`, "3"}}, // 3 has no end, and is JSON
		{"\r\n{\"torn\":\n4\n", []string{`{"torn":`, "4"}},
		{long, []string{long}},
		{"\n", nil},
	} {
		appendTo(t, path, step.text)
		if got := linesOf(t, in); !slices.Equal(got, step.want) {
			t.Fatalf("step %d: %.100q, want %.100q", i, got, step.want)
		}
	}
	if err := os.Truncate(path, 0); err != nil { // as logrotate does with copytruncate
		t.Fatal(err)
	}
	appendTo(t, path, "5\n")
	if got := linesOf(t, in); !slices.Equal(got, []string{"5"}) {
		t.Errorf("after the file was emptied: %q", got)
	}
}

// rotatingSink returns a sink file that begins a new file with every ten lines, and its path.
func rotatingSink(t testing.TB) (path string, sink plugin.Sink) {
	t.Helper()
	o := file.Type().Defaults().(*file.Options)
	o.Path, o.Format, o.Sync, o.Rotate.Size = filepath.Join(t.TempDir(), "orders.jsonl"), "payload", "never", 100
	sink, err := file.Type().Build(o, plugintest.Env(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.(plugin.Opener).Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sink.(plugin.Closer).Close(context.Background()) })
	return o.Path, sink
}

// TestReadWhileFilesAreRenamed proves that no file is left out while the sink begins one after the other.
func TestReadWhileFilesAreRenamed(t *testing.T) {
	const events = 3000
	path, sink := rotatingSink(t)
	ended := make(chan error, 1)
	go func() {
		for n := range events {
			if err := sink.Write(context.Background(), []*event.Event{{Data: fmt.Appendf(nil, `"%07d"`, n)}}); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	}()
	in := &fileInput{path: path}
	defer in.close()
	var got []string
	for writing := true; writing; {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatal(err)
			}
			writing = false
		default:
		}
		got = append(got, linesOf(t, in)...)
	}
	for n, line := range got {
		if line != fmt.Sprintf(`"%07d"`, n) {
			t.Fatalf("line %d is %s", n, line)
		}
	}
	if len(got) != events {
		t.Errorf("%d lines of %d", len(got), events)
	}
}

// TestFollowRotation proves that the lines of the sink file are read once and in order, whenever it begins a new file, and that a
// file may be compressed afterwards.
func TestFollowRotation(t *testing.T) {
	path, sink := rotatingSink(t)
	n, want := 0, []string(nil)
	write := func(events int) {
		t.Helper()
		for range events {
			n++
			want = append(want, fmt.Sprintf(`"%07d"`, n))
			if err := sink.Write(t.Context(), []*event.Event{{Data: []byte(want[n-1])}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	appendTo(t, path+".mine", "not this\n")
	write(35)
	renamed, err := filepath.Glob(path + ".2*Z")
	if err != nil || len(renamed) != 3 {
		t.Fatalf("renamed files: %q, %v", renamed, err)
	}
	text, err := os.ReadFile(renamed[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(renamed[0], renamed[0]+".gz"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(renamed[0]+".gz", compress(t, text), 0o600); err != nil {
		t.Fatal(err)
	}
	in := &fileInput{path: path}
	defer in.close()
	got := linesOf(t, in)
	for _, events := range []int{1, 0, 3, 10, 35, 1} {
		write(events)
		got = append(got, linesOf(t, in)...)
		if !slices.Equal(got, want) {
			t.Fatalf("after %d events: %q", n, got[max(len(got)-50, 0):])
		}
	}
	var again []string
	if whole, err := in.rescan(t.Context(), func(one item) error {
		again = append(again, string(one.line))
		return nil
	}); err != nil || !whole || !slices.Equal(again, want) {
		t.Errorf("%v, %v, again: %q", whole, err, again)
	}
}

// TestFollowRenamed proves that a file is read to its end after another program has renamed it.
func TestFollowRenamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "orders.jsonl")
	appendTo(t, path, "1\n")
	in := &fileInput{path: path}
	defer in.close()
	got := linesOf(t, in)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	appendTo(t, path+".1", "2\n")
	got = append(got, linesOf(t, in)...)
	appendTo(t, path+".1", "3\n")
	appendTo(t, path, "4\n")
	got = append(got, linesOf(t, in)...)
	if !slices.Equal(got, []string{"1", "2", "3", "4"}) {
		t.Errorf("got %q", got)
	}
}

// TestReadOnce proves that a pipe is read to its end, compressed or not, and not twice.
func TestReadOnce(t *testing.T) {
	for name, text := range map[string][]byte{"plain": []byte("1\n2"), "compressed": compress(t, []byte("1\n2")), "two parts": append(compress(t, []byte("1\n")), compress(t, []byte("2\n"))...)} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		w.Close()
		in, err := openFile(fmt.Sprintf("/dev/fd/%d", r.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		if got := linesOf(t, in); !slices.Equal(got, []string{"1", "2"}) || in.grows() || linesOf(t, in) != nil {
			t.Errorf("%s: got %q", name, got)
		}
		if whole, err := in.rescan(t.Context(), nil); whole || err != nil {
			t.Errorf("%s: it is read twice, %v", name, err)
		}
		in.close()
		r.Close()
	}
	cut := compress(t, []byte("1\n2\n"))
	path := filepath.Join(t.TempDir(), "cut.gz")
	appendTo(t, path, string(cut[:len(cut)-4]))
	if err := (&fileInput{path: path}).read(t.Context(), func(item) error { return nil }); err == nil || !strings.Contains(err.Error(), "cut.gz: ") {
		t.Errorf("a file that was cut: %v", err)
	}
}
