// Command gateway carries events from sources through transforms to sinks, as a
// YAML file says. A gateway with plugins of your own is this file with one more
// import.
package main

import (
	"eventgateway/gateway/app"
	"eventgateway/gateway/plugin"
	"eventgateway/sinks"
	"eventgateway/sources"
	"eventgateway/transforms"
)

func main() {
	app.Main(plugin.Set{Sources: sources.All(), Transforms: transforms.All(), Sinks: sinks.All()})
}
