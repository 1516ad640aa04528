package spool

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// failingDisk fails on demand.
type failingDisk struct {
	space     int64 // bytes that can be written; negative: any number
	syncError error
}

func (d *failingDisk) disk() disk {
	hooked := realDisk
	hooked.writeAt = func(f *os.File, b []byte, offset int64) (int, error) {
		n := len(b)
		if d.space >= 0 {
			n = int(min(d.space, int64(n)))
			d.space -= int64(n)
		}
		n, err := f.WriteAt(b[:n], offset)
		if err == nil && n < len(b) {
			err = &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
		}
		return n, err
	}
	hooked.sync = func(f *os.File) error {
		if d.syncError != nil {
			return &os.PathError{Op: "sync", Path: f.Name(), Err: d.syncError}
		}
		return f.Sync()
	}
	return hooked
}

// TestFullDiskKeepsWhatWasSynced proves that a disk which is full at any byte gives ErrFull, that what was synced
// stays readable, at once and later, and that the spool goes on when there is space.
func TestFullDiskKeepsWhatWasSynced(t *testing.T) {
	for space := int64(0); space < 3*bufferBytes; space += 24_989 {
		dir, fault := t.TempDir(), &failingDisk{space: -1}
		s, err := open(dir, identity, 0, fault.disk())
		must(t, err)
		s.segmentBytes = minSegmentBytes
		appendTransactions(t, s, 1, 20)
		must(t, s.Sync())
		fault.space = space
		n, at, err := 21, 0, error(nil)
		for err == nil {
			records := transaction(n)
			for at = range records {
				if err = s.Append(records[at]); err != nil {
					break
				}
			}
			if err == nil && n%50 == 0 {
				at = len(records)
				err = s.Sync()
			}
			if err == nil {
				n++
			}
		}
		if !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "the disk is full") {
			t.Fatal(err)
		}
		synced := int(s.End() / 1000)
		if _, last := readTransactions(t, s); last != synced {
			t.Fatalf("%d transactions of %d are readable", last, synced)
		}
		switch space % 3 {
		case 0: // the record that was refused is appended again
			fault.space = -1
			for _, r := range transaction(n)[at:] {
				must(t, s.Append(r))
			}
		case 1: // the stream is restarted
			must(t, s.Rewind())
			fault.space, n = -1, synced
		case 2: // the process ends
			_ = s.Close() // the disk is full
			s, err = open(dir, identity, 0, realDisk)
			must(t, err)
			if n = int(s.End() / 1000); n < synced {
				t.Fatalf("%d transactions of %d are there after Open", n, synced)
			}
		}
		appendTransactions(t, s, n+1, n+30)
		must(t, s.Close())
		s = mustOpen(t, dir, 0)
		if _, last := readTransactions(t, s); last != n+30 {
			t.Fatalf("space %d: %d transactions of %d are there", space, last, n+30)
		}
		must(t, s.Close())
	}
}

// TestFailedSyncPromisesNothing proves that nothing becomes visible, now or later, which a failed sync may have lost.
func TestFailedSyncPromisesNothing(t *testing.T) {
	dir, fault := t.TempDir(), &failingDisk{space: -1}
	s, err := open(dir, identity, 0, fault.disk())
	must(t, err)
	appendTransactions(t, s, 1, 5)
	must(t, s.Sync())
	appendTransactions(t, s, 6, 9)
	fault.syncError = syscall.EIO
	failed := s.Sync()
	if !errors.Is(failed, syscall.EIO) {
		t.Fatal(failed)
	}
	fault.syncError = nil
	if err := s.Sync(); !errors.Is(err, failed) { // the kernel would report success
		t.Errorf("the next Sync: %v", err)
	}
	if err := s.Append(Record{}); !errors.Is(err, failed) {
		t.Errorf("the next Append: %v", err)
	}
	if _, last := readTransactions(t, s); last != 5 {
		t.Errorf("%d transactions are visible", last)
	}
	must(t, s.Rewind())
	appendTransactions(t, s, 6, 8)
	fault.syncError = syscall.EIO
	if err := s.Close(); !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	s = mustOpen(t, dir, 0)
	defer s.Close()
	if _, last := readTransactions(t, s); last != 5 {
		t.Errorf("%d transactions are there after Open", last)
	}
}

// TestDiskWithoutSpace fills a real file system of 2 MiB, in a mount namespace of its own.
func TestDiskWithoutSpace(t *testing.T) {
	dir := os.Getenv("SPOOL_DISK")
	if dir == "" {
		child := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", `mount -t tmpfs -o size=2m none "$SPOOL_DISK" && exec "$0" "$@"`,
			os.Args[0], "-test.v", "-test.run=^TestDiskWithoutSpace$")
		child.Env = append(os.Environ(), "SPOOL_DISK="+t.TempDir())
		out, err := child.CombinedOutput()
		if !strings.Contains(string(out), "=== RUN") {
			t.Skipf("no file system can be mounted here: %v %s", err, out)
		}
		if err != nil || !strings.Contains(string(out), "transactions fit on the disk") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	dir += "/spool"
	s := mustOpen(t, dir, 0)
	s.segmentBytes = minSegmentBytes
	n, err := 0, error(nil)
	for err == nil {
		n++
		for _, r := range transaction(n) {
			if err = s.Append(r); err != nil {
				break
			}
		}
		if err == nil && n%20 == 0 {
			err = s.Sync()
		}
	}
	if !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	synced := int(s.End() / 1000)
	fmt.Println(synced, "transactions fit on the disk:", err)
	if _, last := readTransactions(t, s); last != synced || synced < 20 {
		t.Fatalf("%d of %d transactions are readable", last, synced)
	}
	must(t, s.Trim(commitOf(synced-1)))
	must(t, s.Rewind())
	appendTransactions(t, s, synced+1, synced+40)
	must(t, s.Close())
	s = mustOpen(t, dir, 0)
	defer s.Close()
	if _, last := readTransactions(t, s); last != synced+40 {
		t.Fatalf("%d of %d transactions are there", last, synced+40)
	}
}
