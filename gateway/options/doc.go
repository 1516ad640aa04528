// Package options reads plain structs from configuration files.
//
// A struct names its options once, in tags, and everything else follows from
// them and from the value that holds the defaults: decoding, checks, and the
// table in a plugin's README.
//
//	type Options struct {
//		URL      options.URL      `koanf:"url" rule:"required,scheme=redis|rediss" doc:"where Redis is"`
//		Channels []string         `koanf:"channels" rule:"min=1" doc:"channels to listen to"`
//		Ping     options.Duration `koanf:"ping" rule:"min=100ms" doc:"how often to look for life"`
//	}
//
// Rules, separated by commas: required (not empty), min= and max= (numbers,
// durations, sizes; the length of texts, lists and mappings), oneof=a|b, and
// scheme=a|b and embedded=SERVER for URLs (the word "embedded" may stand for that
// private server). An options struct with a Check method is asked once all
// of its options are well-formed; see [Checker]. A doc tag holds one sentence; what is to be said
// beside it is in a method Docs; see [Documented].
//
// Decoding is strict about what stands in the file (an integer is an integer),
// and reads what came from an environment variable by the option's type, since
// the environment knows only text; see [Expanded]. Every problem is reported,
// each at its place.
package options
