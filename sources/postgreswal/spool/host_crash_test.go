package spool

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// crashingDisk knows what a crash of the host would leave of the segments: what was synced. Everything else may be there or not.
type crashingDisk struct {
	dir     string
	content map[string][]byte // of files, as of their latest sync
	entries map[string]bool   // names of files, as of the latest sync of the folder
}

func (d *crashingDisk) disk() disk {
	hooked := realDisk
	hooked.sync = func(f *os.File) error {
		content, err := os.ReadFile(f.Name())
		d.content[filepath.Base(f.Name())] = content
		return err
	}
	hooked.syncDir = func(string) error {
		clear(d.entries)
		for _, name := range d.names() {
			d.entries[name] = true
		}
		return nil
	}
	return hooked
}

func (d *crashingDisk) names() (names []string) {
	list, _ := listSegments(d.dir) // the folder exists
	for _, previous := range list {
		names = append(names, filepath.Base(segmentPath(d.dir, previous)))
	}
	return names
}

// crash makes the folder that a crash at this moment may leave.
func (d *crashingDisk) crash(t *testing.T, random *rand.Rand, to string) {
	t.Helper()
	must(t, os.MkdirAll(to, 0o700))
	for _, name := range []string{identityFile, lockFile} {
		content, err := os.ReadFile(filepath.Join(d.dir, name))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(to, name), content, 0o600))
	}
	now := map[string]bool{}
	for _, name := range d.names() {
		now[name] = true
	}
	for name := range d.content {
		if now[name] != d.entries[name] && random.IntN(2) == 0 || !now[name] && !d.entries[name] {
			continue
		}
		content := append([]byte{}, d.content[name]...)
		if latest, err := os.ReadFile(filepath.Join(d.dir, name)); err == nil && random.IntN(4) > 0 {
			content = mixPages(random, content, latest)
		}
		must(t, os.WriteFile(filepath.Join(to, name), content, 0o600))
	}
}

// mixPages returns synced bytes and what was written since, of which a crash leaves any pages, and zeros for others.
func mixPages(random *rand.Rand, synced, latest []byte) []byte {
	const page = 512
	mixed := append([]byte{}, synced...)
	size := random.IntN(len(latest) + 1)
	for len(mixed) < size {
		mixed = append(mixed, 0)
	}
	for at := 0; at < len(latest) && at < len(mixed); at += page {
		if random.IntN(3) > 0 {
			copy(mixed[at:min(at+page, len(mixed))], latest[at:])
		}
	}
	return mixed
}

// TestHostCrashKeepsWhatWasSynced proves that a crash of the host at any moment leaves all that Sync has promised and that was
// not trimmed, in order and whole, whichever pages and names the disk had already written beyond that.
func TestHostCrashKeepsWhatWasSynced(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	dir, crashes, begun := t.TempDir(), 0, 0
	for life := range 12 {
		d := &crashingDisk{dir: dir, content: map[string][]byte{}, entries: map[string]bool{}}
		for _, name := range d.names() {
			content, err := os.ReadFile(filepath.Join(dir, name))
			must(t, err)
			d.content[name], d.entries[name] = content, true
		}
		s, err := open(dir, identity, 0, d.disk())
		must(t, err)
		s.segmentBytes = minSegmentBytes
		n, acked := int(s.End()/1000), int(s.Begin()/1000)
		if n < begun {
			t.Fatalf("life %d begins at transaction %d, and %d were synced", life, n, begun)
		}
		next, steps := t.TempDir(), 50+random.IntN(200)
		for step := range steps {
			switch random.IntN(6) {
			case 0:
				must(t, s.Sync())
			case 1:
				rest := transaction(n + 1)
				for _, r := range rest[:random.IntN(len(rest))] {
					must(t, s.Append(r))
				}
				if random.IntN(2) == 0 {
					must(t, s.Sync())
				}
				must(t, s.Rewind())
				n = int(s.End() / 1000)
			case 2:
				if acked < n {
					acked += random.IntN(1 + int(s.End()/1000) - acked)
				}
				must(t, s.Trim(commitOf(acked)))
			default:
				appendTransactions(t, s, n+1, n+15)
				n += 15
			}
			if step%10 != 0 && step != steps-1 {
				continue
			}
			crashes++
			to := t.TempDir()
			if step == steps-1 {
				to = next
			}
			d.crash(t, random, to)
			after := mustOpen(t, to, 0)
			first, last := readTransactions(t, after)
			if last < int(s.End()/1000) || first > acked+1 {
				t.Fatalf("after a crash %d to %d are there; acked are %d, synced %d", first, last, acked, s.End()/1000)
			}
			begun = last
			must(t, after.Close())
		}
		must(t, s.Close())
		dir = next
	}
	t.Log(crashes, "crashes,", begun, "transactions")
}
