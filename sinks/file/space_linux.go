package file

import (
	"fmt"
	"syscall"

	"eventgateway/gateway/plugin"
)

// probeSpace reports whether the disk of the folder has free space.
func probeSpace(dir string) plugin.Finding {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("cannot tell the free space on %s: %v", dir, err)}
	}
	return spaceFinding(dir, disk.Bavail*uint64(disk.Bsize))
}
