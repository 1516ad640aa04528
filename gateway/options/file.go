package options

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// File is a file whose content is read with the configuration, so that a reload
// notices a change.
type File struct {
	path string
	text []byte
}

// UnmarshalText reads the file.
func (f *File) UnmarshalText(path []byte) (err error) {
	f.path = string(path)
	f.text, err = os.ReadFile(f.path)
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	if err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	return nil
}

// Path returns where it is; "" where there is none.
func (f File) Path() string { return f.path }

// Text returns what is in it.
func (f File) Text() []byte { return f.text }

func (f File) String() string { return f.path }

// Reveal returns what tells files apart.
func (f File) Reveal() string { return f.path + "\n" + string(f.text) }

// OptionType names the type in tables.
func (File) OptionType() string { return "file" }
