package postgreswal

import (
	"errors"
	"fmt"
	"os"

	"eventgateway/gateway/diskspace"
	"eventgateway/gateway/options"
	"eventgateway/gateway/plugin"
	"eventgateway/sources/postgreswal/spool"
)

// spool checks the folder of the spool, and whether its disk has the space that the spool may need.
func (p *probe) spool() {
	path := p.s.opts.Spool.Path
	if path == "" {
		return
	}
	var history string
	if !p.row("what the spool must belong to", "SELECT "+historySQL, nil, &history) {
		return
	}
	folder, err := spool.Inspect(path, p.s.spoolIdentity(history))
	if err != nil {
		text, fix := err.Error(), ""
		if e := (*spool.FolderError)(nil); errors.As(err, &e) {
			text, fix = e.Text, e.Fix
		}
		p.add(plugin.Problem, fix, "%s", text)
		return
	}
	switch {
	case folder.Owner != os.Geteuid():
		p.add(plugin.Warning, fmt.Sprintf("chown -R %d %s", os.Geteuid(), path), "the spool %s belongs to the user %d, who can read its rows", path, folder.Owner)
	case folder.Exists:
		p.ok("the spool %s can be written, and has %v", path, options.Size(folder.Bytes))
	default:
		p.ok("the source makes the folder %s of the spool", path)
	}
	p.spoolSpace(folder)
}

// spoolSpace checks the disk of the spool.
func (p *probe) spoolSpace(folder spool.Folder) {
	path, bound := p.s.opts.Spool.Path, p.s.opts.Spool.MaxBytes
	disk, err := diskspace.Of(folder.Parent)
	if err != nil {
		p.cannotTell("the free space for the spool "+path, err)
		return
	}
	if disk.InMemory {
		p.add(plugin.Warning, "name a folder on a disk", "the spool %s is in memory: if the host restarts, its changes are lost, and the source reports a gap", path)
	}
	switch most := disk.Free + uint64(folder.Bytes); {
	case disk.Free == 0:
		p.add(plugin.Problem, "free space on it, or name a folder on another disk", "the disk of the spool %s is full: nothing can be spooled, and the slot is given up", path)
	case most < uint64(bound):
		fix := "free space on it, or name a folder on another disk"
		if most >= minSpoolBytes {
			fix = fmt.Sprintf("free space on it, or set spool.max_bytes to at most %dMiB", most>>20)
		}
		p.add(plugin.Warning, fix,
			"the spool %s may grow to %v, and its disk has space for %d MiB: when the disk is full, the slot is given up", path, bound, most>>20)
	default:
		p.ok("the disk of the spool has %d MiB free", disk.Free>>20)
	}
}
