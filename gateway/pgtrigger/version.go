package pgtrigger

// Version is the version of the SQL that this package makes. The functions that it makes
// in a database carry it in their text. It rises with every change of the SQL that a database
// must be told of; testdata/past has the SQL of all versions before.
//
//	1: until November 2026; the text of the functions has no version
//	2: rows become JSON with the rights of the role that writes them
//	3: rows become the same JSON whatever a session has set, and names with dots are told apart
//	4: writers detach a reader that is beyond its bound, and rows can be sent again
//	5: a change has the trace of its transaction
const Version = 5

// versionOf finds the version in the source text p.prosrc of a function.
const versionSQL = `coalesce((regexp_match(p.prosrc, 'eventgateway sql version ([0-9]{1,9})'))[1]::int, 1)`
