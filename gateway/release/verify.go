package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

//go:embed scripts
var scripts embed.FS

// verifyPackages installs, upgrades and removes the deb package, and reads the rpm packages.
func (r *release) verifyPackages() error {
	if _, err := exec.LookPath("dpkg"); err != nil || os.Geteuid() != 0 {
		fmt.Println("not verified, it needs Debian and root: the deb package")
	} else if err := r.verifyDeb(); err != nil {
		return err
	}
	if _, err := exec.LookPath("rpm"); err != nil {
		fmt.Println("not verified, rpm is not installed: the rpm packages")
		return nil
	}
	return r.verifyRPM()
}

func (r *release) verifyDeb() error {
	newer, root := filepath.Join(r.work, "newer"), filepath.Join(r.work, "root")
	if err := errors.Join(os.Mkdir(newer, 0o755), os.Mkdir(root, 0o755)); err != nil {
		return err
	}
	dir := filepath.Join(r.work, runtime.GOOS, runtime.GOARCH, "gateway")
	if err := r.makePackages(dir, runtime.GOARCH, "v9999.0.0", newer); err != nil {
		return err
	}
	first, err := one(r.out, "*_"+runtime.GOARCH+".deb")
	if err != nil {
		return err
	}
	second, err := one(newer, "*.deb")
	if err != nil {
		return err
	}
	install, err := r.script("install.sh")
	if err != nil {
		return err
	}
	if _, err := outputOf(exec.Command("unshare", "--mount", "sh", install, root, first, second)); err != nil {
		return err
	}
	return r.verifyService(root, first)
}

// script writes a script to the working folder, and returns its path.
func (r *release) script(name string) (string, error) {
	text, err := scripts.ReadFile("scripts/" + name)
	path := filepath.Join(r.work, name)
	if err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	return path, err
}

// verifyService runs the service of the deb package under systemd. folder is an empty folder for mounts.
func (r *release) verifyService(folder, deb string) error {
	if _, err := os.Stat("/lib/systemd/systemd"); err != nil {
		fmt.Println("not verified, systemd is not installed: the service")
		return nil
	}
	machine, err := r.script("machine.sh")
	if err != nil {
		return err
	}
	exchange := filepath.Join(r.work, "exchange")
	steps, err := scripts.ReadFile("scripts/systemd_steps.sh")
	if err := errors.Join(err, os.Mkdir(exchange, 0o755), os.WriteFile(filepath.Join(exchange, "systemd_steps.sh"), steps, 0o644)); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	_, err = outputOf(exec.CommandContext(ctx, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--uts", "--ipc", "--cgroup", "--net", "sh", "-c", `ip link set lo up && exec sh "$@"`, "sh", machine, folder, deb, exchange))
	if err != nil {
		return fmt.Errorf("systemd does not start: %w", err)
	}
	if _, err := os.Stat(filepath.Join(exchange, "result")); err != nil {
		log, _ := os.ReadFile(filepath.Join(exchange, "log"))
		return fmt.Errorf("the service fails a step:\n%s", log)
	}
	return nil
}

func (r *release) verifyRPM() error {
	files, err := filepath.Glob(filepath.Join(r.out, "*.rpm"))
	if err == nil && len(files) == 0 {
		err = errors.New("there are no rpm packages")
	}
	for _, file := range files {
		text, rerr := outputOf(exec.Command("rpm", "--query", "--package", "--configfiles", file))
		if rerr == nil && !strings.Contains(text, "/etc/eventgateway/gateway.yaml") {
			rerr = fmt.Errorf("%s has no configuration file", file)
		}
		err = errors.Join(err, rerr)
	}
	return err
}

// one returns the only file of a folder that matches a pattern.
func one(dir, pattern string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err == nil && len(files) != 1 {
		err = fmt.Errorf("%d files match %s in %s, want one", len(files), pattern, dir)
	}
	if err != nil {
		return "", err
	}
	return files[0], nil
}
