package spool

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestOpenCutsATornRecord proves that a file which ends anywhere in the last transaction has all transactions before it, and
// goes on with it.
func TestOpenCutsATornRecord(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, 0)
	appendTransactions(t, s, 1, 10)
	must(t, s.Sync())
	whole := s.Size()
	appendTransactions(t, s, 11, 11)
	must(t, s.Close())
	path := segmentPath(dir, 0)
	content, err := os.ReadFile(path)
	must(t, err)
	for size := whole; size < int64(len(content)); size++ {
		must(t, os.WriteFile(path, content[:size], 0o600))
		s := mustOpen(t, dir, 0)
		if _, last := readTransactions(t, s); last != 10 {
			t.Fatalf("cut at %d: %d transactions are there", size, last)
		}
		appendTransactions(t, s, 11, 12)
		must(t, s.Sync())
		if _, last := readTransactions(t, s); last != 12 {
			t.Fatalf("cut at %d: %d transactions are there after 12 were appended", size, last)
		}
		must(t, s.Close())
	}
}

// TestDamageIsNoticed proves that changed bytes never make a record that was not appended, and never a panic: what is missing
// shows by the end, or as ErrDamaged.
func TestDamageIsNoticed(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, 0)
	s.segmentBytes = minSegmentBytes
	appendTransactions(t, s, 1, 20)
	var large int
	for large = 21; len(mustList(t, dir)) < 4; large++ {
		appendTransactions(t, s, large, large)
	}
	large--
	must(t, s.Close())
	random := rand.New(rand.NewPCG(1, 2))
	noticed := map[string]int{}
	for range 200 {
		list := mustList(t, dir)
		path := segmentPath(dir, list[random.IntN(len(list))])
		before, err := os.ReadFile(path)
		must(t, err)
		damaged := append([]byte{}, before...)
		switch at := random.IntN(len(damaged)); random.IntN(4) {
		case 0:
			damaged[at] ^= 1 << random.IntN(8)
		case 1:
			damaged = damaged[:at]
		case 2:
			clear(damaged[at:min(len(damaged), at+random.IntN(5000))])
		case 3:
			damaged = append(damaged, damaged[at:]...)
		}
		must(t, os.WriteFile(path, damaged, 0o600))
		s := mustOpen(t, dir, 0)
		last, err := readPrefix(t, s)
		switch {
		case err != nil && !errors.Is(err, ErrDamaged):
			t.Fatal(err)
		case err != nil:
			noticed["error"]++
		case s.End() < commitOf(large):
			noticed["end"]++
		case last != large:
			t.Fatalf("%d transactions of %d were read without an error", last, large)
		default:
			noticed["harmless"]++
		}
		must(t, s.Close())
		for _, previous := range mustList(t, dir) { // Open may have begun the last one again
			if previous > list[len(list)-1] {
				t.Fatalf("another segment %X", previous)
			}
		}
		must(t, os.WriteFile(path, before, 0o600))
	}
	t.Log(noticed)
	if noticed["error"] == 0 || noticed["end"] == 0 {
		t.Errorf("not all kinds of damage were tried: %v", noticed)
	}
}

func mustList(t testing.TB, dir string) []uint64 {
	t.Helper()
	list, err := listSegments(dir)
	must(t, err)
	return list
}

// readPrefix reads up to an error. It proves that what was read was appended in this order.
func readPrefix(t testing.TB, s *Spool) (last int, err error) {
	t.Helper()
	r := s.NewReader()
	defer r.Close()
	var rest []Record
	for {
		got, ok, err := r.Next()
		if err != nil || !ok {
			if _, _, again := r.Next(); !errors.Is(again, err) {
				t.Fatalf("%v and then %v", err, again)
			}
			return last, err
		}
		if got.LSN == 0 {
			continue
		}
		if len(rest) == 0 {
			last++
			rest = transaction(last)
		}
		if got.LSN != rest[0].LSN || got.Commit != rest[0].Commit || string(got.Data) != string(rest[0].Data) {
			t.Fatalf("in transaction %d: got %d %.40q, appended %d %.40q", last, got.LSN, got.Data, rest[0].LSN, rest[0].Data)
		}
		rest = rest[1:]
	}
}

// TestKilledWriterKeepsWhatItSynced proves that a process which is killed anywhere leaves all that it has synced, and that its
// lock ends with it.
func TestKilledWriterKeepsWhatItSynced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	random := rand.New(rand.NewPCG(3, 4))
	last := 0
	for range 15 {
		child := exec.Command(os.Args[0], "-test.run=^TestChildAppendsUntilKilled$")
		child.Env = append(os.Environ(), "SPOOL_CHILD="+dir)
		out, err := child.StdoutPipe()
		must(t, err)
		must(t, child.Start())
		synced := 0
		lines := bufio.NewScanner(out)
		for n := random.IntN(40); lines.Scan(); n-- {
			if text, ok := strings.CutPrefix(lines.Text(), "synced "); ok {
				synced, err = strconv.Atoi(text)
				must(t, err)
				if n <= 0 {
					break
				}
			}
		}
		must(t, child.Process.Kill())
		for lines.Scan() { // what it has written before the kill
			if text, ok := strings.CutPrefix(lines.Text(), "synced "); ok {
				if n, err := strconv.Atoi(text); err == nil {
					synced = n
				}
			}
		}
		_ = child.Wait() // killed
		if synced <= last {
			t.Fatalf("the child has synced %d, and %d was there", synced, last)
		}
		s := mustOpen(t, dir, 0)
		_, last = readTransactions(t, s)
		must(t, s.Close())
		if last < synced {
			t.Fatalf("%d transactions of %d that were synced are there", last, synced)
		}
	}
}

// TestChildAppendsUntilKilled is the process that the test above kills.
func TestChildAppendsUntilKilled(t *testing.T) {
	dir := os.Getenv("SPOOL_CHILD")
	if dir == "" {
		t.Skip("it runs as a child process")
	}
	s := mustOpen(t, dir, 0)
	s.segmentBytes = minSegmentBytes
	for n := 1 + int(s.End()/1000); ; n++ {
		appendTransactions(t, s, n, n)
		if n%3 == 0 {
			must(t, s.Sync())
			fmt.Println("synced", s.End()/1000)
		}
		if n%100 == 0 {
			must(t, s.Trim(commitOf(n-50)))
		}
	}
}
