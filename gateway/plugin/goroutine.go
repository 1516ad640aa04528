package plugin

import (
	"fmt"
	"runtime/debug"
)

// Go runs f in a goroutine, and then calls ended there, once, with the error of f. A panic of f becomes
// a [*PanicError] and does not end the process. Use it if the plugin waits for f: a
// source returns the error from Run, a sink from Write, and the router counts the panic. If the plugin does
// not wait, use [Env].Go. ended must not panic.
func Go(f func() error, ended func(error)) {
	go func() { ended(protect(f)) }()
}

// PanicError is the error of a function that has panicked; see [Go].
type PanicError struct {
	Value any    // of the panic
	Stack []byte // of the goroutine, as text
}

// Error is part of [error].
func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

func protect(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{p, debug.Stack()}
		}
	}()
	return f()
}
