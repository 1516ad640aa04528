package spool

import (
	"encoding/binary"
	"hash/crc32"
)

// Record is one message of the replication stream.
type Record struct {
	LSN    uint64 // where the message begins in the WAL
	Commit uint64 // of the transaction that ends with this record; 0: the transaction goes on
	Data   []byte // as the server sent it; may be empty
}

// recordKind is the origin of a record.
type recordKind byte

const (
	original recordKind = 1 // was appended
	carried  recordKind = 2 // repeats a relation or a type at the begin of a segment
)

const (
	recordHeader = 4 + 4 + 1 + 8 + 8
	maxData      = 1 << 30 // bytes; PostgreSQL makes no larger message
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends a record that is at offset in a segment with that salt.
func appendRecord(b []byte, salt uint32, offset int64, kind recordKind, r Record) []byte {
	begin := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.Data)))
	b = append(b, 0, 0, 0, 0, byte(kind))
	b = binary.LittleEndian.AppendUint64(b, r.LSN)
	b = binary.LittleEndian.AppendUint64(b, r.Commit)
	b = append(b, r.Data...)
	binary.LittleEndian.PutUint32(b[begin+4:], checksum(salt, offset, b[begin:]))
	return b
}

// checksum returns the checksum of a whole record. Its bytes 4 to 7, which hold the checksum, do not count.
func checksum(salt uint32, offset int64, record []byte) uint32 {
	seed := salt ^ uint32(offset) ^ uint32(offset>>32)*0x9e3779b1
	return crc32.Update(crc32.Update(seed, castagnoli, record[:4]), castagnoli, record[8:])
}

// recordSize returns the size of the record with this header, in bytes. It reports false if there is no such record.
func recordSize(header []byte) (int64, bool) {
	n := binary.LittleEndian.Uint32(header)
	return recordHeader + int64(n), n <= maxData
}

// parseRecord returns the record in b, which has its exact size. Data is a part of b. It reports false if the record is damaged.
func parseRecord(b []byte, salt uint32, offset int64) (Record, recordKind, bool) {
	kind := recordKind(b[8])
	if binary.LittleEndian.Uint32(b[4:]) != checksum(salt, offset, b) || kind != original && kind != carried {
		return Record{}, 0, false
	}
	return Record{
		LSN: binary.LittleEndian.Uint64(b[9:]), Commit: binary.LittleEndian.Uint64(b[17:]), Data: b[recordHeader:len(b):len(b)],
	}, kind, true
}
