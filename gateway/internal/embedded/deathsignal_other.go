//go:build !linux

package embedded

import "syscall"

// setDeathSignal does nothing: only Linux has death signals. After a kill -9 of the gateway
// the servers run until they are stopped by hand.
func setDeathSignal(*syscall.SysProcAttr, syscall.Signal) {}
