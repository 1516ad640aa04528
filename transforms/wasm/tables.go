package wasm

import (
	"encoding/binary"
	"errors"
	"fmt"
)

const (
	tableSection = 4
	maxTable     = 1 << 20 // entries of a table, of 8 bytes each
)

var errNoModule = errors.New("is not a WebAssembly module in the binary format")

// checkTables refuses a module with a table that takes too much memory when it is instantiated. It reads only the sections of the module.
func checkTables(module []byte) error {
	const header = 8 // "\0asm" and the version
	if len(module) < header || string(module[:4]) != "\x00asm" {
		return errNoModule
	}
	for rest := module[header:]; len(rest) > 0; {
		id := rest[0]
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return errNoModule
		}
		body := rest[1+n : 1+n+int(size)]
		rest = rest[1+n+int(size):]
		if id != tableSection {
			continue
		}
		count, n := binary.Uvarint(body)
		if n <= 0 || count > 1 || count == 1 && len(body) < n+3 {
			return fmt.Errorf("has %d tables: only one is supported", count)
		}
		if count == 1 { // its type, flags and least size
			if entries, _ := binary.Uvarint(body[n+2:]); entries > maxTable {
				return fmt.Errorf("has a table of %d entries: at most %d are supported", entries, maxTable)
			}
		}
	}
	return nil
}
