// Command release builds what users install: archives and packages of the program for each system, its Helm chart, the
// lists of their dependencies, and checksums. Then it verifies them. `make release` runs it at the root of the
// repository. It needs no network once the modules are in the cache.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	out := flag.String("o", "bin/release", "`folder` of the results; it is emptied first")
	targets := flag.String("targets", "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64", "systems, as GOOS/GOARCH")
	twice := flag.Bool("twice", true, "build one program again without a cache, in another folder, and compare the bytes")
	flag.Parse()
	if err := run(*out, strings.Split(*targets, ","), *twice); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// run makes a release in a folder.
func run(out string, targets []string, twice bool) error {
	r, err := newRelease(out)
	if err != nil {
		return err
	}
	defer os.RemoveAll(r.work)
	fmt.Printf("%s, revision %s, files dated %s\n", r.version, r.revision, r.date.Format("2006-01-02 15:04:05 MST"))
	var steps []step
	for _, target := range targets {
		system, arch, _ := strings.Cut(target, "/")
		for _, p := range r.programs() {
			steps = append(steps, step{p.name + " " + target, func() error { return r.make(p, system, arch) }})
		}
	}
	steps = append(steps,
		step{"Helm chart", r.makeChart},
		step{"chart is linted and rendered", r.verifyChart},
		step{"checksums", func() error { return writeSums(r.out) }},
		step{"packages install and upgrade", r.verifyPackages},
	)
	if twice {
		steps = append(steps, step{"second build", r.verifyBuild})
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Println("done:", s.name)
	}
	return r.list()
}

// step is a part of a release.
type step struct {
	name string
	do   func() error
}

// list prints the results with their sizes.
func (r *release) list() error {
	files, err := filepath.Glob(filepath.Join(r.out, "*"))
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return err
		}
		fmt.Printf("%12d  %s\n", info.Size(), filepath.Base(file))
	}
	return err
}
