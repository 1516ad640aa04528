package admin

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"eventgateway/gateway/options"
)

// secretBytes is how many random bytes a secret has.
const secretBytes = 32

// NewSecret makes a secret, which no file keeps.
func NewSecret() options.Secret {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // it never fails
	return options.NewSecret(base64.RawURLEncoding.EncodeToString(b))
}

// KeptSecret returns the secret of a listen address, and the file that keeps it over a
// restart: [StateFolder], [SecretFile] and [KeepSecret] say where and how.
func KeptSecret(getenv func(string) string, listen string) (s options.Secret, file string, err error) {
	dir, err := StateFolder(getenv)
	if err != nil {
		return s, "", err
	}
	file = SecretFile(dir, listen)
	s, err = KeepSecret(file)
	return s, file, err
}

// StateFolder returns the folder in which this user's gateways keep their secrets: that of
// systemd's StateDirectory=, else eventgateway in $XDG_STATE_HOME or in ~/.local/state. It
// makes the folder, and fails where the folder could be another user's.
func StateFolder(getenv func(string) string) (string, error) {
	dir := ""
	if systemd, _, _ := strings.Cut(getenv("STATE_DIRECTORY"), ":"); filepath.IsAbs(systemd) {
		dir = systemd
	} else if state := getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		dir = filepath.Join(state, "eventgateway")
	} else if home := getenv("HOME"); filepath.IsAbs(home) {
		if info, err := os.Stat(home); err != nil || !owned(info) { // as with sudo: no folders of root's in there
			return "", fmt.Errorf("the home folder %s is not this user's", home)
		}
		dir = filepath.Join(home, ".local", "state", "eventgateway")
	} else {
		return "", errors.New("none of STATE_DIRECTORY, XDG_STATE_HOME and HOME is set")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("cannot make a folder for it: %w", err)
	}
	return dir, ours(dir)
}

// ours fails where others than this user could change what is in a folder.
func ours(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is no folder", dir)
	case !owned(info):
		return fmt.Errorf("the folder %s belongs to another user", dir)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others may write to the folder %s: chmod go-w it", dir)
	}
	return nil
}

func owned(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

var unsafe = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// SecretFile returns the name of the file that keeps the secret of a listen address.
func SecretFile(dir, listen string) string {
	if strings.HasPrefix(listen, ":") {
		listen = "all" + listen
	}
	return filepath.Join(dir, "secret-"+unsafe.ReplaceAllString(listen, "-"))
}

// KeepSecret returns the secret that a file keeps; where there is none yet, it makes both.
// It fails where another user could have written or read the file.
func KeepSecret(path string) (options.Secret, error) {
	s, err := readSecret(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if err := makeSecret(path); err != nil && !errors.Is(err, fs.ErrExist) { // another gateway may be faster
		return options.Secret{}, fmt.Errorf("cannot keep it in %s: %w", path, err)
	}
	return readSecret(path)
}

// makeSecret writes a new secret to a file beside path, and gives it that name only when it
// is complete, and only where nothing has the name.
func makeSecret(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // with O_EXCL, and mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(NewSecret().Reveal() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

var secretText = regexp.MustCompile(`^[A-Za-z0-9_-]{22,}$`)

// readSecret reads a file that only this user can have written and can read. Symbolic
// links are not followed, and a pipe is not waited for.
func readSecret(path string) (options.Secret, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return options.Secret{}, fmt.Errorf("%s is a symbolic link: delete it", path)
	}
	if err != nil {
		return options.Secret{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return options.Secret{}, err
	case !info.Mode().IsRegular():
		return options.Secret{}, fmt.Errorf("%s is no regular file: delete it", path)
	case !owned(info):
		return options.Secret{}, fmt.Errorf("%s belongs to another user: delete it", path)
	case info.Mode().Perm()&0o077 != 0:
		return options.Secret{}, fmt.Errorf("%s has mode %04o, and others may know it: delete it", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	if err != nil {
		return options.Secret{}, err
	}
	if text = bytes.TrimSpace(text); !secretText.Match(text) {
		return options.Secret{}, fmt.Errorf("%s holds no secret: delete it", path)
	}
	return options.NewSecret(string(text)), nil
}
