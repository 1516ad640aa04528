// Package sinks lists the sinks that come with the gateway.
package sinks

import (
	"eventgateway/gateway/childproc"
	"eventgateway/gateway/plugin"
	"eventgateway/sinks/exec"
	"eventgateway/sinks/file"
	"eventgateway/sinks/postgres"
	"eventgateway/sinks/redispub"
	"eventgateway/sinks/redisstream"
	"eventgateway/sinks/stdout"
	"eventgateway/sinks/webhook"
	"eventgateway/sinks/websocket"
)

// All returns the types of all sinks.
func All() []plugin.SinkType {
	return []plugin.SinkType{exec.Type(), file.Type(), postgres.Type(), redispub.Type(), redisstream.Type(), stdout.Type(), webhook.Type(), websocket.Type()}
}

// Program returns the type of a sink that is a program with a manifest.
func Program(m childproc.Manifest) plugin.SinkType { return exec.Program(m) }
