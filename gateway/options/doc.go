// Package options reads plain structs from configuration files.
//
// A struct names its options once, in tags. Decoding, checks, and the table in a
// plugin's README use these tags and the value with the defaults.
//
//	type Options struct {
//		URL      options.URL      `koanf:"url" rule:"required,scheme=redis|rediss" doc:"where Redis is"`
//		Channels []string         `koanf:"channels" rule:"min=1" doc:"channels to listen to"`
//		Ping     options.Duration `koanf:"ping" rule:"min=100ms" doc:"interval of pings"`
//	}
//
// The options of an embedded struct are options of the struct that embeds it.
//
// Rules, separated by commas: required (not empty), min= and max= (numbers,
// durations, sizes; the length of texts, lists and mappings), oneof=a|b, and
// scheme=a|b and embedded=SERVER for URLs (the word "embedded" may stand for that
// embedded server). The Check method of an options struct is called when all
// of its options are well-formed; see [Checker]. A doc tag holds one sentence; more sentences
// are in a method Docs; see [Documented].
//
// Decoding is strict for values in the file: text is not read as an integer. Values of environment
// variables are text, and are read by the option's type; see [Expanded]. Every problem is reported with
// its position.
package options
