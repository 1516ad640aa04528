package diskspace

import (
	"os"
	"path/filepath"
	"testing"
)

func TestDiskOfAFolder(t *testing.T) {
	disk, err := Of(t.TempDir())
	if err != nil || disk.Free == 0 {
		t.Errorf("%+v, %v", disk, err)
	}
	if _, err := Of(filepath.Join(t.TempDir(), "missing")); !os.IsNotExist(err) {
		t.Errorf("of a folder that is missing: %v", err)
	}
	if disk, err := Of("/dev/shm"); err == nil && !disk.InMemory {
		t.Error("/dev/shm is not in memory")
	}
}
