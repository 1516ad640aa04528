package spool

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

const (
	segmentMagic  = "GWSPOOL1"
	segmentHeader = len(segmentMagic) + 8 + 4 + 4
)

// segment is one file of records.
type segment struct {
	path     string
	previous uint64 // the last commit before the segment

	// Under Spool.mu:
	end  int64  // where synced and complete transactions end
	last uint64 // the last commit before end; previous if there is none
}

func segmentPath(dir string, previous uint64) string {
	return filepath.Join(dir, fmt.Sprintf("%016X", previous))
}

// listSegments returns the commits before the segments in the folder, in order.
func listSegments(dir string) (previous []uint64, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if n, err := strconv.ParseUint(e.Name(), 16, 64); err == nil && segmentPath(dir, n) == filepath.Join(dir, e.Name()) {
			previous = append(previous, n)
		}
	}
	slices.Sort(previous)
	return previous, nil
}

// newHeader returns the header of a new segment.
func newHeader(previous uint64) (header []byte, salt uint32) {
	header = binary.LittleEndian.AppendUint64([]byte(segmentMagic), previous)
	var random [4]byte
	_, _ = rand.Read(random[:]) // it never fails
	header = append(header, random[:]...)
	return binary.LittleEndian.AppendUint32(header, crc32.Checksum(header, castagnoli)), binary.LittleEndian.Uint32(random[:])
}

// readHeader returns the salt of the segment in a file. It reports false if there is no valid header.
func readHeader(f *os.File, previous uint64) (salt uint32, valid bool, err error) {
	header := make([]byte, segmentHeader)
	if _, err := f.ReadAt(header, 0); errors.Is(err, io.EOF) {
		return 0, false, nil
	} else if err != nil {
		return 0, false, fmt.Errorf("cannot read the spool: %w", err)
	}
	body, sum := header[:segmentHeader-4], binary.LittleEndian.Uint32(header[segmentHeader-4:])
	valid = crc32.Checksum(body, castagnoli) == sum && string(body[:8]) == segmentMagic && binary.LittleEndian.Uint64(body[8:]) == previous
	return binary.LittleEndian.Uint32(body[16:]), valid, nil
}

// open opens the segment for reading. The scanner is at its first record, and has no limit yet.
func (g *segment) open() (*os.File, scanner, error) {
	f, err := os.Open(g.path)
	if err != nil {
		return nil, scanner{}, err
	}
	salt, valid, err := readHeader(f, g.previous)
	if err == nil && !valid {
		err = fmt.Errorf("%s has no valid header: %w", g.path, ErrDamaged)
	}
	if err != nil {
		f.Close()
		return nil, scanner{}, err
	}
	return f, scanner{file: f, name: g.path, salt: salt, offset: int64(segmentHeader), limit: int64(segmentHeader)}, nil
}
