package letters

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestStoreOpensAFolderWithAPatternInItsName proves that the letters are found after a restart, and not overwritten.
func TestStoreOpensAFolderWithAPatternInItsName(t *testing.T) {
	for _, name := range []string{"l[1]", "l*", "l?", "l[", `l\`} {
		o := Options{Path: filepath.Join(t.TempDir(), name)}
		s := openStore(t, o)
		s.add(t, numbered(1), numbered(2))
		closeStore(t, s)
		s = openStore(t, o)
		s.add(t, numbered(3))
		if got := s.search(t, Query{}); !slices.Equal(got, []uint64{1, 2, 3}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestSegmentIsNeverOverwritten proves that a new segment does not replace a file, nor follow a link.
func TestSegmentIsNeverOverwritten(t *testing.T) {
	folder, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(file, segmentPath(folder, 1)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file+"2", segmentPath(folder, 2)); err != nil {
		t.Fatal(err)
	}
	for first := range uint64(2) {
		if seg, err := createSegment(folder, first+1); err == nil {
			t.Errorf("%s was created", seg.path)
		}
	}
	if got, err := os.ReadFile(file); string(got) != "x" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestLeftoversHideNoLetters proves that files beside segments, which a crash has left behind, are deleted.
func TestLeftoversHideNoLetters(t *testing.T) {
	folder := t.TempDir()
	leave := func() {
		if err := appendRemoved(segmentPath(folder, 1), []uint64{1, 2}); err != nil {
			t.Fatal(err)
		}
	}
	leave()
	rewritten := segmentPath(folder, 7) + rewriteSuffix
	if err := os.WriteFile(rewritten, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openStore(t, Options{Path: folder})
	if files, err := os.ReadDir(folder); err != nil || len(files) != 1 { // the lock
		t.Errorf("%v, %v", files, err)
	}
	leave() // as if it could not be deleted with its segment
	s.add(t, numbered(1), numbered(2))
	closeStore(t, s)
	s = openStore(t, Options{Path: folder})
	if got := s.search(t, Query{}); !slices.Equal(got, []uint64{1, 2}) {
		t.Errorf("%v", got)
	}
}

// TestStoreWarnsOfAFolderThatOthersWrite proves that the mode of a folder is looked at, and that a folder which the store creates is its own.
func TestStoreWarnsOfAFolderThatOthersWrite(t *testing.T) {
	parent := t.TempDir()
	if err := os.Chmod(parent, 0o777); err != nil {
		t.Fatal(err)
	}
	for folder, warns := range map[string]bool{parent: true, filepath.Join(parent, "own"): false} {
		var log bytes.Buffer
		s := New(Options{Path: folder, MaxBytes: 1 << 20}, slog.New(slog.NewTextHandler(&log, nil)))
		if err := s.Open(); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		if got := strings.Contains(log.String(), "writable by other users"); got != warns {
			t.Errorf("%s: %s", folder, log.String())
		}
	}
}
