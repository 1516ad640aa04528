package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// file is a file of an archive.
type file struct {
	name string // path in the archive
	from string // path of the file with its content
	mode int64
}

// makeArchive writes the archive of a program: a zip file for Windows, else a tar file.
func (r *release) makeArchive(name, binary string) error {
	files := []file{{path.Join(name, filepath.Base(binary)), binary, 0o755}}
	add := func(to string, from ...string) {
		for _, f := range from {
			files = append(files, file{path.Join(name, to, filepath.Base(f)), f, 0o644})
		}
	}
	add("", "README.md", "LICENSE", "gateway.yaml", "gateway/docs/changelog.md")
	examples, err := filepath.Glob("configs/*.yaml")
	if err != nil {
		return err
	}
	add("configs", examples...)
	if strings.HasSuffix(binary, ".exe") {
		return r.write(name+".zip", func(w io.Writer) error { return writeZip(w, files, r.date) })
	}
	return r.write(name+".tar.gz", func(w io.Writer) error { return writeTar(w, files, r.date) })
}

// write writes a file of the release.
func (r *release) write(name string, content func(io.Writer) error) error {
	f, err := os.Create(filepath.Join(r.out, name))
	if err != nil {
		return err
	}
	if err := content(f); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// writeTar writes a compressed tar file whose bytes depend on the files and the date only.
func writeTar(w io.Writer, files []file, date time.Time) error {
	z := gzip.NewWriter(w)
	t := tar.NewWriter(z)
	for _, f := range files {
		content, err := os.ReadFile(f.from)
		if err != nil {
			return err
		}
		if err := t.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(content)), ModTime: date, Uname: "root", Gname: "root"}); err != nil {
			return err
		}
		if _, err := t.Write(content); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}

// writeZip is like writeTar, for a zip file.
func writeZip(w io.Writer, files []file, date time.Time) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		content, err := os.ReadFile(f.from)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: date}
		h.SetMode(os.FileMode(f.mode))
		entry, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := entry.Write(content); err != nil {
			return err
		}
	}
	return z.Close()
}
