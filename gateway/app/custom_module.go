package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// gatewayModule is the module of the gateway. It cannot be fetched from anywhere, so that a module which requires it has a replace with the path of a checkout.
const gatewayModule = "eventgateway"

var moduleLine = regexp.MustCompile(`(?m)^module\s+"?([^\s"]+)"?\s*$`)

// moduleOf returns the name of the module in a folder.
func moduleOf(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		return "", err
	}
	m := moduleLine.FindSubmatch(text)
	if m == nil {
		return "", fmt.Errorf("%s names no module", filepath.Join(dir, "go.mod"))
	}
	return string(m[1]), nil
}

// checkout returns the folder with the source of the gateway: dir, or if that is "" the working directory or one above it, or what a go.mod there
// replaces the module with.
func checkout(dir string) (string, error) {
	const hint = "name a checkout of its source by --source DIR"
	if dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", err
		}
		if name, err := moduleOf(abs); err != nil || name != gatewayModule {
			return "", fmt.Errorf("%s is no checkout of the gateway: it has no go.mod of the module %s: %s", dir, gatewayModule, hint)
		}
		return abs, nil
	}
	at, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; at = filepath.Dir(at) {
		name, err := moduleOf(at)
		if err == nil && name == gatewayModule {
			return at, nil
		}
		if replaced := replacement(at); err == nil && replaced != "" {
			return checkout(replaced)
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("the module %s is not published, and this folder is in no checkout of it: %s", gatewayModule, hint)
		}
	}
}

var replaceLine = regexp.MustCompile(`(?m)^(?:replace)?\s*` + gatewayModule + `\s+=>\s+"?([^\s"]+)"?\s*$`)

// replacement returns the path with which the go.mod of a folder replaces the module of the gateway; "" if it does not.
func replacement(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	m := replaceLine.FindSubmatch(text)
	switch {
	case err != nil || m == nil:
		return ""
	case filepath.IsAbs(string(m[1])):
		return string(m[1])
	}
	return filepath.Join(dir, string(m[1]))
}

// writeModule writes the go.mod and go.sum of a module that requires the gateway. It has the requirements of the gateway, so that the same versions
// are used, and no network is needed for them.
func writeModule(dir, name, source string) error {
	mod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(source, "go.sum"))
	if err != nil {
		return err
	}
	text := moduleLine.ReplaceAllLiteralString(string(mod), "module "+name)
	text = strings.TrimRight(text, "\n") + fmt.Sprintf("\n\nrequire %s v0.0.0\n\nreplace %s => %s\n", gatewayModule, gatewayModule, quoted(source))
	return errors.Join(writeNew(filepath.Join(dir, "go.mod"), []byte(text)), writeNew(filepath.Join(dir, "go.sum"), sum))
}

// quoted returns a path as go.mod has it.
func quoted(path string) string {
	if strings.ContainsAny(path, " \t\"'`()[]{},;") {
		return fmt.Sprintf("%q", path)
	}
	return path
}

// runGo runs the go command in a folder. Its output goes to w.
func runGo(ctx context.Context, w io.Writer, dir string, args ...string) error {
	program, err := exec.LookPath("go")
	if err != nil {
		return errors.New("the go command is not in PATH: install Go, see https://go.dev/doc/install")
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, w, w
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go %s: %w", strings.Join(args, " "), err)
	}
	return nil
}
