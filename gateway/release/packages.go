package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// formats are the formats of the Linux packages.
var formats = []string{"deb", "rpm", "apk"}

// tool returns a command that runs a tool of .ci/release.mod.
func (r *release) tool(args ...string) *exec.Cmd {
	cmd := exec.Command("go", append([]string{"tool", "-modfile=.ci/release.mod"}, args...)...)
	cmd.Dir = r.root
	return cmd
}

// makeSBOM writes the list of the modules that are linked into a program, in the format CycloneDX.
func (r *release) makeSBOM(binary, name string) error {
	_, err := outputOf(r.tool("cyclonedx-gomod", "bin", "-json", "-noserial", "-notimestamp", "-version", r.version, "-output", filepath.Join(r.out, name), binary))
	return err
}

// makePackages writes the packages of the program in dir.
func (r *release) makePackages(dir, arch, version, out string) error {
	if err := r.makeCompletions(dir); err != nil {
		return err
	}
	for _, format := range formats {
		cmd := r.tool("nfpm", "package", "--config", "configs/deploy/packages/nfpm.yaml", "--packager", format, "--target", out+string(filepath.Separator))
		cmd.Env = append(os.Environ(), "BIN="+dir, "ARCH="+arch, "VERSION="+version, fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.date.Unix()))
		if _, err := outputOf(cmd); err != nil {
			return err
		}
	}
	return nil
}

// makeCompletions writes the scripts by which shells complete commands into dir. The program for this
// machine, which is built first, prints them.
func (r *release) makeCompletions(dir string) error {
	own := filepath.Join(r.work, runtime.GOOS, runtime.GOARCH, "gateway", "gateway")
	if _, err := os.Stat(own); err != nil {
		return fmt.Errorf("%s/%s must be the first system: %w", runtime.GOOS, runtime.GOARCH, err)
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		text, err := outputOf(exec.Command(own, "completion", shell))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "completion."+shell), []byte(text+"\n"), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
