// Package pgjson writes values of PostgreSQL's text format as JSON. The bytes are those that PostgreSQL's function row_to_json
// writes for the value, so a row that logical replication sends gets the same payload as a row that a trigger has captured.
//
// A [Types] caches the catalog's description of types. [Types.Load] reads it, and [Types.Append] uses it. Invariants:
//   - The text is what the type's output function writes in a session with pgconn.RowSettings, in UTF-8. pgoutput and text
//     results send this text.
//   - Append follows json_categorize_type and datum_to_json of PostgreSQL 13 to 18, which have the same rules. A domain is
//     written as its base type. Booleans, numbers, json, arrays and composites have forms of their own. Timestamps are in
//     ISO 8601. Every other value is a string with the escapes of escape_json.
//   - For text that is malformed Append returns an error and appends nothing. The error names the type and has no part of the
//     value, which may be secret. Text that is not malformed becomes valid JSON. The text of json and jsonb is not
//     checked, because the server has checked it.
//   - A value costs no allocation, if dst has the capacity. Arrays and composites with quotes need a buffer, which grows
//     for the first of them and is reused.
//
// # What differs from row_to_json
//
// A type that is not PostgreSQL's own may have a function as its cast to json, as hstore has. row_to_json calls this function.
// Append cannot, so it writes the text as a string, and [Types.Inexact] names the type.
//
// A [Types] has composite types as they were at Load. A value of logical replication has the attributes of the time of its change.
// If attributes were added in between, the JSON lacks them. If some were dropped, Append returns an error, or gives
// values the names of other attributes, because the text has no names.
//
// escape.go, scalar.go, array.go and composite.go write values; types.go holds the types, and load.go reads them.
package pgjson
