package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestRecordsAreVisibleAfterSync proves that a reader gets all complete and synced transactions, in order, and no part
// of another, before and after the spool is opened again.
func TestRecordsAreVisibleAfterSync(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "spool")
	s := mustOpen(t, dir, 0)
	if _, last := readTransactions(t, s); last != 0 {
		t.Fatalf("a new spool has %d transactions", last)
	}
	appendTransactions(t, s, 1, 50)
	if _, last := readTransactions(t, s); last != 0 {
		t.Fatalf("%d transactions are visible before Sync", last)
	}
	for _, r := range transaction(51)[:2] {
		must(t, s.Append(r))
	}
	must(t, s.Sync())
	if _, last := readTransactions(t, s); last != 50 {
		t.Fatalf("%d transactions are visible, and not 50", last)
	}
	must(t, s.Close())

	s = mustOpen(t, dir, 0)
	defer s.Close()
	if _, last := readTransactions(t, s); last != 50 {
		t.Fatalf("%d transactions are there after Open, and not 50", last)
	}
	appendTransactions(t, s, 51, 60)
	must(t, s.Sync())
	if _, last := readTransactions(t, s); last != 60 {
		t.Fatalf("%d transactions are there, and not 60", last)
	}
}

// TestRewindRestartsBehindEnd proves that Rewind drops what is not synced, and the open transaction, at any place.
func TestRewindRestartsBehindEnd(t *testing.T) {
	s := mustOpen(t, t.TempDir(), 0)
	defer s.Close()
	n := 0
	for round := range 60 {
		appendTransactions(t, s, n+1, n+3)
		must(t, s.Sync())
		n += 3
		size := s.Size()
		appendTransactions(t, s, n+1, n+round%3)
		rest := transaction(n + round%3 + 1)
		for _, r := range rest[:round%len(rest)] {
			must(t, s.Append(r))
		}
		if round%4 == 0 {
			must(t, s.flush())
		}
		must(t, s.Rewind())
		if s.Size() != size {
			t.Fatalf("the size is %d, and was %d", s.Size(), size)
		}
	}
	must(t, s.Sync())
	if _, last := readTransactions(t, s); last != n {
		t.Fatalf("read %d transactions of %d", last, n)
	}
}

// TestAppendRefusesCommitsThatDoNotRise proves that a stream that was restarted too early cannot put a transaction in twice.
func TestAppendRefusesCommitsThatDoNotRise(t *testing.T) {
	s := mustOpen(t, t.TempDir(), 0)
	defer s.Close()
	must(t, s.Append(Record{Commit: 7}))
	for _, commit := range []uint64{6, 7} {
		if err := s.Append(Record{Commit: commit}); err == nil || !strings.Contains(err.Error(), "behind commit 7") {
			t.Errorf("commit %d behind 7: %v", commit, err)
		}
	}
	must(t, s.Append(Record{Commit: 8}))
}

// TestFolderHasOneIdentityAndOneProcess proves which folders are refused, that the error says why, and that other users cannot
// read the files.
func TestFolderHasOneIdentityAndOneProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := mustOpen(t, dir, 0)
	if _, err := Open(dir, identity, 0); err == nil || !strings.Contains(err.Error(), "another process uses the spool "+dir) {
		t.Errorf("a folder in use: %v", err)
	}
	appendTransactions(t, s, 1, 3)
	must(t, s.Close())
	for path, want := range map[string]os.FileMode{".": 0o700, lockFile: 0o600, identityFile: 0o600, "0000000000000000": 0o600} {
		info, err := os.Stat(filepath.Join(dir, path))
		must(t, err)
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o", path, info.Mode().Perm())
		}
	}
	_, err := Open(dir, "another one", 0)
	want := fmt.Sprintf("the spool %s belongs to %s, and not to another one: name another folder, or delete this one", dir, identity)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	s = mustOpen(t, dir, 0) // the failed ones have unlocked it
	must(t, s.Close())

	others := t.TempDir()
	must(t, os.Chmod(others, 0o755))
	must(t, os.WriteFile(filepath.Join(others, "lock"), nil, 0o644))
	must(t, os.WriteFile(filepath.Join(others, "mail"), nil, 0o644))
	if _, err := Open(others, identity, 0); err == nil || !strings.Contains(err.Error(), "has the file mail, and is no spool") {
		t.Errorf("the folder of another program: %v", err)
	}
	if info, err := os.Stat(others); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the folder of another program was changed: %v %v", info.Mode(), err)
	}
}

// TestAppendRefusesMoreThanMaxBytes proves that the files never exceed the bound, that what is there stays, and that Trim makes space.
func TestAppendRefusesMoreThanMaxBytes(t *testing.T) {
	const maxBytes = 4 << 20
	dir := t.TempDir()
	s := mustOpen(t, dir, maxBytes)
	defer s.Close()
	n := 0
	for fills := range 5 {
		var err error
		for err == nil {
			n++
			for _, r := range transaction(n) {
				if err = s.Append(r); err != nil {
					break
				}
			}
		}
		if !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
		must(t, s.Rewind()) // it drops what fit of the transaction, and what was not synced
		n = int(s.End() / 1000)
		if on := folderSize(t, dir); on > maxBytes || s.Size() != on {
			t.Fatalf("the files have %d bytes, the size is %d, the bound %d", on, s.Size(), maxBytes)
		}
		if first, last := readTransactions(t, s); s.Size() < maxBytes/4 {
			t.Fatalf("fill %d: only %d bytes are there, of %d to %d", fills, s.Size(), first, last)
		}
		must(t, s.Trim(commitOf(n)))
		if s.End() != commitOf(n) || s.Size() > 2*minSegmentBytes {
			t.Fatalf("end %d and size %d after Trim of all up to %d", s.End(), s.Size(), n)
		}
	}
}

// folderSize returns the size of the segments.
func folderSize(t testing.TB, dir string) (size int64) {
	t.Helper()
	found, err := listSegments(dir)
	must(t, err)
	for _, previous := range found {
		info, err := os.Stat(segmentPath(dir, previous))
		must(t, err)
		size += info.Size()
	}
	return size
}
