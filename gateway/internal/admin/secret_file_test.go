package admin

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"eventgateway/gateway/options"
)

// TestLoadSecretReturnsSameSecretAfterRestart also proves that another listener has another secret, and that no
// temporary files are left.
func TestLoadSecretReturnsSameSecretAfterRestart(t *testing.T) {
	state := t.TempDir()
	env := func(name string) string { return map[string]string{"XDG_STATE_HOME": state}[name] }
	first, file, err := LoadSecret(env, ":8080")
	if err != nil || len(first.Reveal()) < 43 {
		t.Fatalf("%d characters, %v", len(first.Reveal()), err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode() != 0o600 || file != filepath.Join(state, "eventgateway", "secret-all-8080") {
		t.Errorf("%s: %v, %v", file, info, err)
	}
	if second, _, err := LoadSecret(env, ":8080"); err != nil || second != first {
		t.Errorf("the second start has another secret: %v", err)
	}
	if other, _, err := LoadSecret(env, "127.0.0.1:8081"); err != nil || other == first {
		t.Errorf("another listener has the same secret: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(state, "eventgateway", ".*")); err != nil || len(left) > 0 {
		t.Errorf("temporary files are left: %v, %v", left, err)
	}
}

// TestConcurrentGatewaysLoadSameSecret proves that gateways that start at the same time have the same secret.
func TestConcurrentGatewaysLoadSameSecret(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	var all sync.WaitGroup
	found := make([]options.Secret, 20)
	for i := range found {
		all.Go(func() {
			var err error
			if found[i], err = LoadOrCreateSecret(path); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, s := range found {
		if s != found[0] || s.IsZero() {
			t.Fatal("the secrets differ")
		}
	}
}

// TestLoadOrCreateSecretRefusesUnsafeFiles proves that a file is refused which another user could have written or read.
func TestLoadOrCreateSecretRefusesUnsafeFiles(t *testing.T) {
	good := GenerateSecret().Reveal() + "\n"
	write := func(mode os.FileMode, text string) func(string) error {
		return func(path string) error {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				return err
			}
			return os.Chmod(path, mode)
		}
	}
	for name, c := range map[string]struct {
		create  func(path string) error
		message string
	}{
		"read by others":    {write(0o644, good), "has mode 0644"},
		"read by the group": {write(0o640, good), "has mode 0640"},
		"empty":             {write(0o600, ""), "holds no secret"},
		"short":             {write(0o600, "guessed"), "holds no secret"},
		"a link": {func(path string) error {
			return errors.Join(write(0o600, good)(path+".real"), os.Symlink(path+".real", path))
		}, "symbolic link"},
		"a link to nothing": {func(path string) error { return os.Symlink(path+".nothing", path) }, "symbolic link"},
		"a folder":          {func(path string) error { return os.Mkdir(path, 0o700) }, "not a regular file"},
		"a pipe":            {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := c.create(path); err != nil {
				t.Fatal(err)
			}
			if s, err := LoadOrCreateSecret(path); err == nil || !s.IsZero() || !strings.Contains(err.Error(), c.message) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v", err)
			}
			if _, err := os.Lstat(path + ".nothing"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a file was created: %v", err)
			}
		})
	}
	t.Run("another user's", func(t *testing.T) {
		path := "/etc/passwd" // root's
		if os.Geteuid() == 0 {
			path = filepath.Join(t.TempDir(), "secret")
			if err := errors.Join(write(0o600, good)(path), os.Chown(path, 65534, 65534)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := LoadOrCreateSecret(path); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
			t.Errorf("%v", err)
		}
	})
}

func TestSecretFolder(t *testing.T) {
	dir := t.TempDir()
	open := filepath.Join(dir, "open")
	for _, d := range []string{filepath.Join(open, "eventgateway"), filepath.Join(dir, "home")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(open, "eventgateway"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env           map[string]string
		want, message string
	}{
		"systemd":        {map[string]string{"STATE_DIRECTORY": dir + "/a:" + dir + "/b", "XDG_STATE_HOME": dir, "HOME": dir}, dir + "/a", ""},
		"XDG":            {map[string]string{"XDG_STATE_HOME": dir, "HOME": dir}, dir + "/eventgateway", ""},
		"home":           {map[string]string{"XDG_STATE_HOME": "relative", "HOME": dir + "/home"}, dir + "/home/.local/state/eventgateway", ""},
		"nothing":        {nil, "", "none of"},
		"no home":        {map[string]string{"HOME": dir + "/none"}, "", "belongs to another user"},
		"open to others": {map[string]string{"XDG_STATE_HOME": open}, "", "chmod go-w"},
		"a file":         {map[string]string{"XDG_STATE_HOME": dir + "/file"}, "", "cannot create the folder"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := SecretFolder(func(name string) string { return c.env[name] })
			if c.message == "" && (err != nil || got != c.want) {
				t.Errorf("%s, %v", got, err)
			}
			if c.message != "" && (err == nil || !strings.Contains(err.Error(), c.message)) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestSecretFileName(t *testing.T) {
	for listen, want := range map[string]string{
		":8080": "/s/secret-all-8080", "127.0.0.1:80": "/s/secret-127.0.0.1-80", "[::1]:80": "/s/secret--1-80", "../../x:1": "/s/secret-..-..-x-1",
	} {
		if got := SecretFileName("/s", listen); got != want {
			t.Errorf("%s: %s, want %s", listen, got, want)
		}
	}
}

// TestVerifyAcceptsOnlyValidSignatures proves that a signature is valid only for its purpose, its time and its secret.
func TestVerifyAcceptsOnlyValidSignatures(t *testing.T) {
	s := secret{GenerateSecret()}
	valid := s.sign(forCookie, time.Now().Add(time.Minute))
	if !s.verify(forCookie, valid) {
		t.Error("a valid signature is refused")
	}
	at, mac, _ := strings.Cut(valid, ".")
	for name, text := range map[string]string{
		"expired": s.sign(forCookie, time.Now()), "for a link": s.sign(forLink, time.Now().Add(time.Minute)),
		"prolonged": at + "0." + mac, "of another": secret{GenerateSecret()}.sign(forCookie, time.Now().Add(time.Minute)),
		"empty": "", "no signature": at + ".", "the secret": s.Reveal(), "cut": valid[:len(valid)-2],
	} {
		if s.verify(forCookie, text) {
			t.Errorf("%s is accepted", name)
		}
	}
	if strings.Contains(valid+s.cookieName(), s.Reveal()) {
		t.Error("the secret is revealed")
	}
}
