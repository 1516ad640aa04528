package plugin

import "errors"

// Attempt marks the error of a failed write with the ID of the attempt, by which the receiver knows it, such as the ID of
// a request. The log, and the dead letter if the event becomes one, show the ID beside the error. Attempt(id, nil) is nil.
func Attempt(id string, err error) error {
	if err == nil {
		return nil
	}
	return &attemptError{id, err}
}

type attemptError struct {
	id  string
	err error
}

func (e *attemptError) Error() string { return e.err.Error() }
func (e *attemptError) Unwrap() error { return e.err }

// AttemptID returns the ID by which err, or an error it wraps, was marked by [Attempt]; "" if there is none.
func AttemptID(err error) string {
	var a *attemptError
	if errors.As(err, &a) {
		return a.id
	}
	return ""
}
