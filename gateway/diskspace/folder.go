package diskspace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Folder returns a folder if it exists, else the nearest one above it, in which it will be created. It returns an error if the user of
// this process may not write there. It changes nothing.
func Folder(dir string) (existing string, err error) {
	const writeAndEnter = 0x2 | 0x1
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at):
			continue
		case err != nil:
			return "", err
		case !info.IsDir():
			return "", fmt.Errorf("%s is no folder", at)
		}
		if err := syscall.Access(at, writeAndEnter); err != nil {
			return "", fmt.Errorf("the folder %s: %w", at, err)
		}
		return at, nil
	}
}
