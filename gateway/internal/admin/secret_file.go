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

// secretBytes is the number of random bytes of a generated secret.
const secretBytes = 32

// GenerateSecret returns a new random secret.
func GenerateSecret() options.Secret {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b) // never fails
	return options.NewSecret(base64.RawURLEncoding.EncodeToString(b))
}

// LoadSecret returns the generated secret of a listen address, and the file that holds it. It
// creates the file where there is none yet, so that the secret survives a restart.
func LoadSecret(getenv func(string) string, listen string) (s options.Secret, file string, err error) {
	dir, err := SecretFolder(getenv)
	if err != nil {
		return s, "", err
	}
	file = SecretFileName(dir, listen)
	s, err = LoadOrCreateSecret(file)
	return s, file, err
}

// StoredSecret returns the secret that a gateway of this user has stored for a listen address, and the file that holds
// it. It creates nothing.
func StoredSecret(getenv func(string) string, listen string) (s options.Secret, file string, err error) {
	dir, err := SecretFolderName(getenv)
	if err != nil {
		return s, "", err
	}
	file = SecretFileName(dir, listen)
	s, err = readSecretFile(file)
	return s, file, err
}

// SecretFolder returns the folder of this user's secret files: systemd's StateDirectory=,
// else eventgateway in $XDG_STATE_HOME or in ~/.local/state. It creates the folder, and
// fails where another user owns it or may write to it.
func SecretFolder(getenv func(string) string) (string, error) {
	dir, err := SecretFolderName(getenv)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("cannot create the folder of the secret: %w", err)
	}
	return dir, checkFolder(dir)
}

// SecretFolderName returns the path of the folder that [SecretFolder] creates. It creates nothing.
func SecretFolderName(getenv func(string) string) (string, error) {
	if systemd, _, _ := strings.Cut(getenv("STATE_DIRECTORY"), ":"); filepath.IsAbs(systemd) {
		return systemd, nil
	}
	if state := getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "eventgateway"), nil
	}
	home := getenv("HOME")
	if !filepath.IsAbs(home) {
		return "", errors.New("none of STATE_DIRECTORY, XDG_STATE_HOME and HOME is set")
	}
	if info, err := os.Stat(home); err != nil || !ownedByUser(info) { // as with sudo: root must not create folders there
		return "", fmt.Errorf("the home folder %s belongs to another user", home)
	}
	return filepath.Join(home, ".local", "state", "eventgateway"), nil
}

// checkFolder returns an error where another user could change files in a folder.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return fmt.Errorf("%s is not a folder", dir)
	case !ownedByUser(info):
		return fmt.Errorf("the folder %s belongs to another user", dir)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("others may write to the folder %s: chmod go-w it", dir)
	}
	return nil
}

func ownedByUser(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid()
}

var unsafeInFileName = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// SecretFileName returns the path of the file, in dir, that holds the secret of a listen address.
func SecretFileName(dir, listen string) string {
	if strings.HasPrefix(listen, ":") {
		listen = "all" + listen
	}
	return filepath.Join(dir, "secret-"+unsafeInFileName.ReplaceAllString(listen, "-"))
}

// LoadOrCreateSecret returns the secret in a file. It creates the file with a new secret where
// there is none. It fails where another user could have written or read the file.
func LoadOrCreateSecret(path string) (options.Secret, error) {
	s, err := readSecretFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	if err := createSecretFile(path); err != nil && !errors.Is(err, fs.ErrExist) { // another gateway may have created it meanwhile
		return options.Secret{}, fmt.Errorf("cannot write the secret to %s: %w", path, err)
	}
	return readSecretFile(path)
}

// createSecretFile writes a new secret to a temporary file and links it to path when it is
// complete. It fails with [fs.ErrExist] where path exists.
func createSecretFile(path string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // with O_EXCL, and mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(GenerateSecret().Reveal() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

var secretText = regexp.MustCompile(`^[A-Za-z0-9_-]{22,}$`)

// readSecretFile returns the secret in a file that belongs to this user and that no other may read.
// It does not follow symbolic links, and does not wait for a pipe.
func readSecretFile(path string) (options.Secret, error) {
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
		return options.Secret{}, fmt.Errorf("%s is not a regular file: delete it", path)
	case !ownedByUser(info):
		return options.Secret{}, fmt.Errorf("%s belongs to another user: delete it", path)
	case info.Mode().Perm()&0o077 != 0:
		return options.Secret{}, fmt.Errorf("%s has mode %04o, so other users may know the secret: delete it", path, info.Mode().Perm())
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
