package postgreswal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"eventgateway/gateway/options"
	"eventgateway/gateway/testenv/sourcetest"
	"eventgateway/sources/postgreswal/spool"
)

// TestProbeOfSpool proves that the check of a spool finds what would keep the source from spooling, and changes nothing.
func TestProbeOfSpool(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	setServer(t, db, "max_slot_wal_keep_size", "1GB")
	dir := t.TempDir()
	occupied := filepath.Join(dir, "occupied")
	must(t, os.WriteFile(occupied, nil, 0o600))
	foreign, used, private := filepath.Join(dir, "foreign"), filepath.Join(dir, "used"), filepath.Join(dir, "private")
	for _, folder := range []string{foreign, private} {
		must(t, os.Mkdir(folder, 0o700))
	}
	must(t, os.WriteFile(filepath.Join(foreign, "notes"), nil, 0o600))
	other, err := spool.Open(used, "the slot other of the system/database 1/2", 0)
	must(t, err)
	must(t, other.Close())
	if os.Geteuid() == 0 {
		must(t, os.Chown(private, 12345, 12345))
	}
	for path, c := range map[string]struct {
		want string
		max  options.Size
	}{
		filepath.Join(dir, "a", "b"):      {"ok: the source makes the folder " + dir + "/a/b of the spool", 64 << 20},
		filepath.Join(dir, "large"):       {"its disk has space for ", 1 << 60},
		occupied:                          {"WRONG: " + occupied + " is not a folder -> name another path", 64 << 20},
		filepath.Join(occupied, "within"): {"WRONG: the spool cannot be kept in " + occupied + "/within: not a directory -> ", 64 << 20},
		foreign:                           {"WRONG: the folder " + foreign + " has the file notes, and is no spool -> name an empty folder", 64 << 20},
		used:                              {"WRONG: the spool " + used + " belongs to the slot other of the system/database 1/2, and not to the slot gateway of", 64 << 20},
		private:                           {"warning: the spool " + private + " belongs to the user 12345, who can read its rows -> chown -R 0 " + private, 64 << 20},
	} {
		if path == private && os.Geteuid() != 0 {
			continue
		}
		got := probeText(t, func(o *Options) {
			ofItems(o)
			o.MaxLag.Then, o.MaxLag.Bytes, o.Spool = "spool", 64<<20, Spool{Path: path, MaxBytes: c.max}
		})
		if !strings.Contains(got, c.want) {
			t.Errorf("%s: want %q in\n%s", path, c.want, got)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); !os.IsNotExist(err) {
		t.Errorf("the check has made a folder: %v", err)
	}
}

// TestProbeBesideRunningSource proves that the check accepts the spool of a running source, which has locked it.
func TestProbeBesideRunningSource(t *testing.T) {
	db := kind.Reset(t, sourcetest.ItemsSQL, "items")
	setServer(t, db, "max_slot_wal_keep_size", "1GB")
	dir := filepath.Join(t.TempDir(), "spool")
	set := func(o *Options) {
		ofItems(o)
		o.MaxLag.Then, o.MaxLag.Bytes, o.Spool.Path, o.Spool.MaxBytes = "spool", 64<<20, dir, 64<<20
	}
	out := sourcetest.NewCollector()
	start(t, set, out)
	sourcetest.Exec(t, db, sourcetest.InsertItems, 1, 1, 1)
	out.Await(t, 1)
	got := probeText(t, set)
	if !strings.Contains(got, "ok: the spool "+dir+" can be written, and has ") || !strings.Contains(got, "MiB free") {
		t.Errorf("the findings are\n%s", got)
	}
}
