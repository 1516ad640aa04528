package file

import (
	"fmt"
	"math"

	"eventgateway/gateway/plugin"
)

// little is the room on a disk below which it is nearly full: a few batches of large events.
const little = 16 << 20

// room says whether the disk of the folder, on which free bytes may be written, has room.
func room(dir string, free uint64) plugin.Finding {
	free = min(free, math.MaxInt64)
	fix := "delete what is of no use there, or name another path"
	switch {
	case free == 0:
		return plugin.Finding{Level: plugin.Problem, Text: "the disk of " + dir + " is full: nothing can be written", Fix: fix}
	case free < little:
		return plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("the disk of %s is nearly full: %d bytes are free", dir, free), Fix: fix}
	}
	return plugin.Finding{Text: fmt.Sprintf("the disk of %s has %d MiB free", dir, free>>20)}
}
