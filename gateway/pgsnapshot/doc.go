// Package pgsnapshot reads the rows that exist in tables, for a source that emits changes of these tables, too. It reads
// them in chunks, in the order of the primary key. The caller decides which rows it emits, and when.
package pgsnapshot
