// Package childproc runs programs in any language as child processes, and exchanges lines with them by the protocol of README.md. The
// plugins exec use it: a source, a transform and a sink. A [Program] starts one process after the other for a component; a [Process] is one
// of them.
//
// A process has a group of its own, which is killed as a whole. Two goroutines read its output, and a third one waits for its end;
// they end with it. Each call ends when its context ends, even if the process does not answer.
package childproc
