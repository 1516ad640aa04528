package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// make builds a program for one system, and makes its archive, its list of dependencies, and on Linux its packages.
func (r *release) make(p program, system, arch string) error {
	dir := filepath.Join(r.work, system, arch, p.name)
	file := filepath.Join(dir, p.name)
	if system == "windows" {
		file += ".exe"
	}
	if err := r.build(r.root, p, system, arch, file); err != nil {
		return err
	}
	name := fmt.Sprintf("%s_%s_%s_%s", p.name, strings.TrimPrefix(r.version, "v"), system, arch)
	if err := r.makeSBOM(file, name+".cdx.json"); err != nil {
		return err
	}
	if err := r.makeArchive(name, file); err != nil {
		return err
	}
	if system != "linux" || p.name != "gateway" {
		return nil
	}
	return r.makePackages(dir, arch, r.version, r.out)
}

// build builds a program of a checkout. The result depends on the commit, the version and the version of Go only.
func (r *release) build(root string, p program, system, arch, file string) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", // go finds no commit in a worktree of git
		"-ldflags", "-s -w -X eventgateway/gateway/app.Version="+r.version+" -X eventgateway/gateway/app.Revision="+r.revision, "-o", file, p.pkg)
	cmd.Dir = filepath.Join(root, p.module)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+system, "GOARCH="+arch, "GOFLAGS=")
	_, err := outputOf(cmd)
	return err
}

// verifyBuild builds a program again, from a clone of the commit in another folder and with an empty cache, and compares the
// bytes. It also proves that the commit has all files.
func (r *release) verifyBuild() error {
	clone, cache := filepath.Join(r.work, "clone"), filepath.Join(r.work, "cache")
	if _, err := r.output("git", "clone", "--quiet", "--no-local", r.root, clone); err != nil {
		return err
	}
	if _, err := r.output("git", "-C", clone, "checkout", "--quiet", r.revision); err != nil {
		return err
	}
	if err := os.Setenv("GOCACHE", cache); err != nil {
		return err
	}
	p, again := r.programs()[0], filepath.Join(r.work, "again")
	if err := r.build(clone, p, "linux", "amd64", again); err != nil {
		return err
	}
	first, err := sumOf(filepath.Join(r.work, "linux", "amd64", p.name, p.name))
	second, err2 := sumOf(again)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if first != second {
		return errors.New("another build of the same commit has other bytes: commit all changes, and look for a path or a date in the program")
	}
	return nil
}

// sumOf returns the SHA-256 of a file.
func sumOf(path string) (string, error) {
	b, err := os.ReadFile(path)
	return fmt.Sprintf("%x", sha256.Sum256(b)), err
}

// writeSums writes the checksums of all files of a folder, as sha256sum does.
func writeSums(dir string) error {
	files, err := os.ReadDir(dir)
	var b strings.Builder
	for _, f := range files {
		sum, serr := sumOf(filepath.Join(dir, f.Name()))
		err = errors.Join(err, serr)
		fmt.Fprintf(&b, "%s  %s\n", sum, f.Name())
	}
	return errors.Join(err, os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(b.String()), 0o644))
}
