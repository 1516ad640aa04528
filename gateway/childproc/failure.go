package childproc

import (
	"errors"
	"fmt"

	"eventgateway/gateway/plugin"
)

// The reasons of failures, as they are counted.
const (
	reasonStart    = "start"    // the program cannot be started
	reasonExit     = "exit"     // it has ended, or was killed by others
	reasonTimeout  = "timeout"  // it has not answered in time
	reasonProtocol = "protocol" // it has violated the protocol
	reasonStopped  = "stopped"  // the gateway has stopped it: no failure
)

// failure is why a process has ended.
type failure struct {
	reason string
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failuref(reason, format string, args ...any) *failure {
	return &failure{reason, fmt.Errorf(format, args...)}
}

func reasonOf(err error) string {
	var f *failure
	if errors.As(err, &f) {
		return f.reason
	}
	if p := (*plugin.PanicError)(nil); errors.As(err, &p) {
		return reasonProtocol
	}
	return reasonExit
}

// Crashed reports whether a process has ended by itself, or has hung. An event may have caused that.
func Crashed(err error) bool {
	r := reasonOf(err)
	return r == reasonExit || r == reasonTimeout
}

// Violation returns the error of a program that has violated the protocol.
func Violation(format string, args ...any) error { return failuref(reasonProtocol, format, args...) }
