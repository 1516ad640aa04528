//go:build !linux

package diskspace

import "errors"

// Of returns an error: free space is known on Linux only.
func Of(string) (Disk, error) { return Disk{}, errors.New("free space is known on Linux only") }
