// Package sourcetest tests sources that emit the changes of rows. It has an output that collects events, a source that
// runs repeatedly as in the router, and tests that all such sources run, each with its own [Kind].
package sourcetest
