package childproc

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// attributes gives the process a group of its own. The kernel kills it when the thread that has started it ends, so also after a
// kill -9 of the gateway.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// awaitExit waits until a process has ended, and does not reap it: no other process gets its ID before that. It reports false if the
// system cannot do that.
func awaitExit(pid int) bool {
	for {
		var info unix.Siginfo
		if err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, unix.EINTR) {
			return err == nil
		}
	}
}

// limitMemory limits the address space of a process.
func limitMemory(pid int, bytes int64) error {
	return unix.Prlimit(pid, unix.RLIMIT_AS, &unix.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)}, nil)
}
