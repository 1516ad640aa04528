package plugin

// Noter is an [Output] that takes failures which the source survives. The router's is one.
type Noter interface {
	// Note counts the failure, and shows it in the status of the source, which stays up.
	Note(err error)
}

// Note notes a failure of a part of a source, such as a table that nothing captures any more,
// while the rest goes on. It is no gap: where events may be missing, report a gap, too. An
// output that is no [Noter] ignores it.
func Note(out Output, err error) {
	if n, ok := out.(Noter); ok {
		n.Note(err)
	}
}
