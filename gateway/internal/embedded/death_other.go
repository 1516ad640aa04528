//go:build !linux

package embedded

import "syscall"

// dieWithUs does nothing: only Linux can. After a kill -9 the servers go on until
// they are stopped by hand.
func dieWithUs(*syscall.SysProcAttr, syscall.Signal) {}
