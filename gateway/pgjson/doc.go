// Package pgjson writes values of PostgreSQL's text format as JSON. The bytes are those that PostgreSQL's function row_to_json
// writes for the value, so a row that logical replication sends gets the same payload as a row that a trigger has captured.
//
// A [Types] has what the catalog says of the types of columns. [Types.Load] reads it, and [Types.Append] uses it. Invariants:
//   - The text is what the type's output function writes in a session with pgconn.RowSettings, in UTF-8. pgoutput and text
//     results send this text.
//   - Append follows json_categorize_type and datum_to_json of PostgreSQL 13 to 18, which have the same rules: domains are
//     looked through; bool, numbers, json, arrays and composites have forms of their own; timestamps are of ISO 8601;
//     every other value is a string with the escapes of escape_json.
//   - For text that is malformed Append returns an error and appends nothing. The error names the type and has no part of the
//     value, which may be secret. Text that is not malformed becomes valid JSON. The text of json and jsonb is not
//     checked, because the server has checked it.
//   - A value costs no allocation, if dst has the capacity. The first arrays and composites with quotes grow a buffer,
//     which is used again.
//
// # What differs from row_to_json
//
// A type outside of PostgreSQL may have a function as its cast to json, as hstore has. row_to_json calls it, and no client
// can. Append writes the text as a string, and [Types.Inexact] names these types.
//
// The catalog shows composite types as they are now, and a change in the log shows them as they were when it was decoded. An attribute that
// was added since is left out. If attributes were dropped since, Append returns an error, or gives
// values the names of other attributes: a text has no names.
//
// escape.go, scalar.go, array.go and composite.go write values; types.go holds the types, and load.go reads them.
package pgjson
