package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// release is one run of the command.
type release struct {
	root     string // of the repository
	out      string // folder of the results
	work     string // folder that is removed at the end
	version  string // such as v1.2.0
	revision string
	date     time.Time // of all files
}

// newRelease returns a release of the checked-out commit, with an empty folder for the results.
func newRelease(out string) (*release, error) {
	root, err := filepath.Abs(".")
	if err != nil {
		return nil, err
	}
	if out, err = filepath.Abs(out); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		return nil, fmt.Errorf("run it at the root of the repository: %w", err)
	}
	r := &release{root: root, out: out}
	if r.revision, err = r.output("git", "rev-parse", "HEAD"); err != nil {
		return nil, err
	}
	changes, err := r.output("git", "status", "--porcelain")
	if err != nil {
		return nil, err
	}
	if changes != "" {
		return nil, fmt.Errorf("commit these changes first, because a release has the files of a commit:\n%s", changes)
	}
	if r.date, err = r.commitDate(); err != nil {
		return nil, err
	}
	if r.version, err = r.describe(); err != nil {
		return nil, err
	}
	if r.work, err = os.MkdirTemp("", "gateway-release"); err != nil {
		return nil, err
	}
	return r, errors.Join(os.RemoveAll(out), os.MkdirAll(out, 0o755))
}

// commitDate returns SOURCE_DATE_EPOCH, or the date of the commit.
func (r *release) commitDate() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		var err error
		if text, err = r.output("git", "log", "-1", "--format=%ct"); err != nil {
			return time.Time{}, err
		}
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0).UTC(), err
}

// released matches a tag that is a version.
var released = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

// describe returns the version: a tag of the commit, or else one that sorts by the date of the commit.
func (r *release) describe() (string, error) {
	tags, err := r.output("git", "tag", "--points-at", "HEAD", "--sort=-v:refname")
	if err != nil {
		return "", err
	}
	for tag := range strings.FieldsSeq(tags) {
		if released.MatchString(tag) {
			return tag, nil
		}
	}
	return fmt.Sprintf("v0.0.0-%s-%.12s", r.date.Format("20060102150405"), r.revision), nil
}

// output runs a program at the root of the repository, and returns what it prints.
func (r *release) output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = r.root
	return outputOf(cmd)
}

// outputOf runs a command and returns what it prints. The error has what it prints to standard error.
func outputOf(cmd *exec.Cmd) (string, error) {
	var stderr strings.Builder
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, text, stderr.String())
	}
	return strings.TrimSpace(string(text)), nil
}

// program is a program that is released.
type program struct {
	name, module string // module is the folder of its module
	pkg          string // folder of its main package, in that of the module
}

// programs returns the programs of the repository.
func (r *release) programs() []program {
	list := []program{{"gateway", ".", "./gateway"}}
	if _, err := os.Stat(filepath.Join(r.root, "gateway/full/go.mod")); err == nil {
		list = append(list, program{"gateway-full", "gateway/full", "."})
	}
	return list
}
