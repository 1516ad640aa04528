package options

import (
	"fmt"
	"reflect"
)

// File is a file whose content is read with the configuration, so that a reload
// notices a change.
type File struct {
	path string
	text []byte
}

// maxOptionFile bounds the file of an option, in bytes.
const maxOptionFile = 4 << 20

// UnmarshalText reads the file, which is a regular one of at most 4 MiB.
func (f *File) UnmarshalText(path []byte) (err error) {
	f.path = string(path)
	if f.text, err = ReadFile(f.path, maxOptionFile); err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	return nil
}

// Path returns the path of the file; "" if there is none.
func (f File) Path() string { return f.path }

// Text returns the content of the file.
func (f File) Text() []byte { return f.text }

func (f File) String() string { return f.path }

// Reveal returns path and content, for comparison.
func (f File) Reveal() string { return f.path + "\n" + string(f.text) }

// OptionType names the type in tables.
func (File) OptionType() string { return "file" }

// Files returns the files that an options struct names. opts is a pointer to the struct.
func Files(opts any) []File { return files(reflect.ValueOf(opts).Elem(), nil) }

// files appends the files in a value to out.
func files(v reflect.Value, out []File) []File {
	if f, ok := v.Interface().(File); ok {
		if f.path != "" {
			out = append(out, f)
		}
		return out
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out = files(v.Field(i), out)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			out = files(v.Index(i), out)
		}
	}
	return out
}
