//go:build !linux

package file

import "eventgateway/gateway/plugin"

// probeRoom is known on Linux only.
func probeRoom(dir string) plugin.Finding {
	return plugin.Finding{Level: plugin.Warning, Text: "cannot tell on this system how much room the disk of " + dir + " has"}
}
