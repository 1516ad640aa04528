package app

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
)

// buildInfo returns the metric that describes this program.
func buildInfo() prometheus.Collector {
	p := thisProgram()
	revision := p.revision
	switch {
	case revision == "":
		revision = "unknown"
	case p.changed:
		revision += "-dirty"
	}
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "gateway_build_info", Help: "1; the labels describe the program.",
		ConstLabels: prometheus.Labels{"version": p.version, "goversion": runtime.Version(), "revision": revision},
	}, func() float64 { return 1 })
}

// program describes how a program was built.
type program struct {
	version  string // such as v1.2.0, or dev where it is not known
	revision string // commit of the repository, "" where it is not known
	changed  bool   // the files differed from the commit
}

// thisProgram returns how this program was built. What the linker has set goes before what go has recorded.
func thisProgram() program {
	p := program{version: Version, revision: Revision}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && Revision == "":
			p.revision = s.Value
		case s.Key == "vcs.modified" && Revision == "":
			p.changed = s.Value == "true"
		}
	}
	if p.version == "" {
		p.version = info.Main.Version
	}
	if p.version == "" || p.version == "(devel)" {
		p.version = "dev"
	}
	return p
}

// String returns one line: version, revision, and the version of Go.
func (p program) String() string {
	text := p.version + " ("
	if p.revision != "" {
		text += "revision " + p.revision
		if p.changed {
			text += " with changes"
		}
		text += ", "
	}
	return fmt.Sprintf("%s%s %s/%s)", text, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintf(cmd.OutOrStdout(), "gateway %s\n", thisProgram())
		},
	}
}
