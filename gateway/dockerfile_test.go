package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"eventgateway/gateway/testenv"
)

// image is what configs/deploy/Dockerfile makes: a root folder, and how a container starts.
type image struct {
	root, user, dir  string
	env              []string
	entrypoint       []string
	check            []string // of HEALTHCHECK
	instructions     int
	built, buildRoot string // folders that stand for /out and for the root of the stage before
}

// buildImage carries out the Dockerfile in folders of its own, without a container engine: its RUN lines run on this
// machine, in the repository instead of the folder into which COPY . . copies it.
func buildImage(t *testing.T) *image {
	t.Helper()
	im := &image{root: t.TempDir(), built: t.TempDir(), buildRoot: "/"}
	if err := os.Chmod(im.root, 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(absolute(t, "configs/deploy/Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	last := false // the last stage
	for line := range strings.Lines(string(text)) {
		instruction, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if instruction == "" || instruction == "#" {
			continue
		}
		im.instructions++
		switch {
		case instruction == "FROM":
			last = rest == "scratch"
		case !last && instruction == "RUN":
			if strings.HasPrefix(rest, "go mod download") { // the modules are in the cache
				continue
			}
			cmd := exec.Command("sh", "-ec", strings.ReplaceAll(rest, "/out/", im.built+"/"))
			cmd.Dir = absolute(t, ".")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", line, err, out)
			}
		case last:
			im.apply(t, instruction, rest)
		}
	}
	return im
}

// apply carries out an instruction of the last stage.
func (im *image) apply(t *testing.T, instruction, rest string) {
	t.Helper()
	switch instruction {
	case "COPY":
		fields := strings.Fields(rest)
		from := func(path string) string { return absolute(t, path) }
		if fields[0] == "--from=build" {
			fields = fields[1:]
			from = func(path string) string {
				if name, ok := strings.CutPrefix(path, "/out/"); ok {
					return filepath.Join(im.built, name)
				}
				return filepath.Join(im.buildRoot, path)
			}
		}
		to := fields[len(fields)-1]
		for _, f := range fields[:len(fields)-1] {
			target := filepath.Join(im.root, to)
			if strings.HasSuffix(to, "/") {
				target = filepath.Join(target, filepath.Base(f))
			}
			im.copyFile(t, from(f), target)
		}
	case "ENV":
		im.env = append(im.env, rest)
	case "USER":
		im.user = rest
	case "WORKDIR":
		im.dir = rest
	case "ENTRYPOINT":
		decode(t, rest, &im.entrypoint)
	case "HEALTHCHECK":
		_, command, _ := strings.Cut(rest, " CMD ")
		decode(t, command, &im.check)
	case "EXPOSE":
	default:
		t.Fatalf("the test does not know %s", instruction)
	}
}

func decode(t *testing.T, text string, into *[]string) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

func (im *image) copyFile(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	mode := os.FileMode(0o644)
	if info, err := os.Stat(from); err == nil && info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	if err := os.WriteFile(to, content, mode); err != nil {
		t.Fatal(err)
	}
}

// size returns the bytes of all files of the image.
func (im *image) size(t *testing.T) (bytes int64) {
	t.Helper()
	err := filepath.Walk(im.root, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

// container is how a program of an image runs: its volumes, by their paths in the root, and its variables.
type container struct {
	*image
	volumes map[string]string
	env     map[string]string
}

// start runs a command in the root of the image as the image's user, in a mount namespace in which the root is read-only.
// There are no /proc, /dev and /tmp, and no HOME. The network is that of this machine.
func (c *container) start(t *testing.T, command ...string) *program {
	t.Helper()
	script := `root=$1 dir=$2 user=$3; shift 3
		mount --bind "$root" "$root"
		while [ "$1" != -- ]; do mount --bind "$1" "$root$2"; mount -o remount,bind,ro "$root$2"; shift 2; done; shift
		mount -o remount,bind,ro "$root"
		unset XDG_STATE_HOME
		exec unshare --root="$root" --wd="$dir" --setgid="${user#*:}" --setuid="${user%:*}" -- "$@"`
	args := []string{"--mount", "sh", "-ec", script, "sh", c.root, c.dir, c.user}
	for to, from := range c.volumes {
		if err := os.MkdirAll(filepath.Join(c.root, to), 0o755); err != nil { // as a container engine does
			t.Fatal(err)
		}
		args = append(args, from, to)
	}
	env := map[string]string{}
	for _, line := range c.image.env {
		name, value, _ := strings.Cut(line, "=")
		env[name] = value
	}
	for name, value := range c.env {
		env[name] = value
	}
	return startCommand(t, env, exec.Command("unshare", append(append(args, "--"), command...)...))
}

// run runs a command of the image to its end, and returns its exit status.
func (c *container) run(t *testing.T, command ...string) int {
	t.Helper()
	p := c.start(t, command...)
	code := p.exit(testenv.Wait)
	if code != 0 {
		t.Logf("%q: %s", command, p.stderr.String())
	}
	return code
}
