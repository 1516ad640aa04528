// Package config turns configuration files into a router.Graph, or into a list of all
// problems in them.
//
// yaml.go parses a file into plain values and records their locations; syntax.go explains
// syntax errors. expand.go replaces ${VAR} in scalars by the variables of env.go. koanf
// merges the files, the later over the earlier. graph.go decodes the components and routes by
// package options, tests.go the tests. consistency.go and else.go check options of several
// components together. Loading does not stop at the first problem.
package config
