package file

import (
	"fmt"
	"syscall"

	"eventgateway/gateway/plugin"
)

// probeRoom says whether the disk of the folder has room.
func probeRoom(dir string) plugin.Finding {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("cannot tell how much room the disk of %s has: %v", dir, err)}
	}
	return room(dir, disk.Bavail*uint64(disk.Bsize))
}
