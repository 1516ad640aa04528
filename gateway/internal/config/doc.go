// Package config turns configuration files into a router.Graph, or into a list
// of everything that is wrong with them.
//
// The way of a file: yaml.go parses it into plain values and notes where each stands
// (syntax.go explains where it cannot); expand.go replaces ${VAR} in scalars by what
// env.go finds; koanf merges the files, the later over the earlier; graph.go decodes
// the parts by package options, tests.go the tests. promises.go and others.go check
// what components promise together. Nothing stops at the first problem.
package config
