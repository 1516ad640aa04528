// Package diskspace measures the free space of disks, and finds out whether folders can be written, for checks.
package diskspace

// Disk describes the disk of a folder.
type Disk struct {
	Free     uint64 // bytes that an ordinary user may still write
	InMemory bool   // its files are lost when the host restarts
}
