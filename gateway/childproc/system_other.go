//go:build !linux

package childproc

import (
	"errors"
	"syscall"
)

// attributes gives the process a group of its own. Only Linux can kill it with the gateway.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitExit reports false: this system cannot wait without reaping the process.
func awaitExit(int) bool { return false }

func limitMemory(int, int64) error {
	return errors.New("this system cannot limit the memory of another process: leave memory out")
}
