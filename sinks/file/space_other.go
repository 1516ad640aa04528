//go:build !linux

package file

import "eventgateway/gateway/plugin"

// probeSpace returns a warning: free space is known on Linux only.
func probeSpace(dir string) plugin.Finding {
	return plugin.Finding{Level: plugin.Warning, Text: "cannot tell on this system the free space on the disk of " + dir}
}
