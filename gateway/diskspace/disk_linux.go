package diskspace

import "syscall"

// tmpfsMagic and ramfsMagic are the types of file systems in memory.
const (
	tmpfsMagic = 0x01021994
	ramfsMagic = 0x858458f6
)

// Of returns the disk of a folder that exists.
func Of(dir string) (Disk, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return Disk{}, err
	}
	kind := uint32(s.Type)
	return Disk{Free: s.Bavail * uint64(s.Bsize), InMemory: kind == tmpfsMagic || kind == ramfsMagic}, nil
}
