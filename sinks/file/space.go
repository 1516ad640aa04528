package file

import (
	"fmt"

	"eventgateway/gateway/diskspace"
	"eventgateway/gateway/plugin"
)

// lowSpace is the free space, in bytes, below which a disk is nearly full: a few batches of large events.
const lowSpace = 16 << 20

// probeSpace returns a finding about the free space on the disk of the folder.
func probeSpace(dir string) plugin.Finding {
	disk, err := diskspace.Of(dir)
	if err != nil {
		return plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("cannot tell the free space on %s: %v", dir, err)}
	}
	return spaceFinding(dir, disk.Free)
}

// spaceFinding returns the finding for free bytes on the disk of the folder dir.
func spaceFinding(dir string, free uint64) plugin.Finding {
	const fix = "delete files there, or name another path"
	switch {
	case free == 0:
		return plugin.Finding{Level: plugin.Problem, Text: "the disk of " + dir + " is full: nothing can be written", Fix: fix}
	case free < lowSpace:
		return plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("the disk of %s is nearly full: %d bytes are free", dir, free), Fix: fix}
	}
	return plugin.Finding{Text: fmt.Sprintf("the disk of %s has %d MiB free", dir, free>>20)}
}
