package link

import (
	"net"
	"syscall"
	"unsafe"
)

// unsent returns the number of bytes in the kernel's send buffer of conn: not sent, or not acknowledged.
func unsent(conn net.Conn) int64 {
	s, ok := conn.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0
	}
	var n int32
	err = raw.Control(func(fd uintptr) {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCOUTQ, uintptr(unsafe.Pointer(&n))); errno != 0 {
			n = 0
		}
	})
	if err != nil {
		return 0
	}
	return int64(n)
}
