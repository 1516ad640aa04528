// Package sources lists the sources that come with the gateway.
package sources

import (
	"eventgateway/gateway/childproc"
	"eventgateway/gateway/plugin"
	"eventgateway/sources/exec"
	"eventgateway/sources/generate"
	"eventgateway/sources/postgresnotify"
	"eventgateway/sources/postgresoutbox"
	"eventgateway/sources/postgreswal"
	"eventgateway/sources/redisstream"
	"eventgateway/sources/redissub"
)

// All returns the types of all sources.
func All() []plugin.SourceType {
	return []plugin.SourceType{exec.Type(), generate.Type(), postgresnotify.Type(), postgresoutbox.Type(), postgreswal.Type(), redisstream.Type(), redissub.Type()}
}

// Program returns the type of a source that is a program with a manifest.
func Program(m childproc.Manifest) plugin.SourceType { return exec.Program(m) }
