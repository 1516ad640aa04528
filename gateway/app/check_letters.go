package app

import (
	"fmt"

	"eventgateway/gateway/diskspace"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/plugin"
)

// probeLetters inspects the folder of the dead letters.
func probeLetters(d config.DeadLetterStore) []plugin.Finding {
	existing, err := diskspace.Folder(d.Path)
	if err != nil {
		return []plugin.Finding{{
			Level: plugin.Problem, Text: fmt.Sprintf("dead letters cannot be stored in %s: %v", d.Path, err),
			Fix: "make the folder writable for the user of the gateway, or name another one in dead_letters.path",
		}}
	}
	findings := []plugin.Finding{{Text: "dead letters can be stored in " + d.Path}}
	switch disk, err := diskspace.Of(existing); {
	case err != nil:
		findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("cannot tell the free space for the dead letters in %s: %v", d.Path, err), Fix: "see that it has room for dead_letters.max_bytes"})
	case disk.InMemory:
		findings = append(findings, plugin.Finding{Level: plugin.Warning, Text: fmt.Sprintf("the folder of the dead letters %s is in memory: they are lost if the host restarts", d.Path), Fix: "name a folder on a disk in dead_letters.path"})
	case disk.Free < uint64(d.MaxBytes):
		findings = append(findings, plugin.Finding{
			Level: plugin.Warning, Text: fmt.Sprintf("the disk of the dead letters %s has %d MiB left, and dead_letters.max_bytes is %d MiB: if it is full, events go back to their sources", d.Path, disk.Free>>20, int64(d.MaxBytes)>>20),
			Fix: "free space on it, or lower dead_letters.max_bytes",
		})
	}
	return findings
}
