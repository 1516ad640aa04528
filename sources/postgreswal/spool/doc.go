// Package spool keeps raw messages of logical replication on disk, so that the server needs its WAL no more.
//
// A spool is a folder with one writer and any number of readers in one process. [Spool.Sync] makes appended records
// visible to readers, and makes sure that they survive a crash of the host. It does so up to the end of the last
// complete transaction. So a reader gets complete transactions only, and no record that it has got is removed later.
// The next [Open] or [Spool.Rewind] drops an incomplete transaction: the server sends it again from its begin.
//
// The folder holds:
//
//	lock              locked while a process uses the folder
//	identity          the server, database and slot of the messages
//	<16 hex digits>   a segment, named by the last commit before it
//
// Segments begin and end at a transaction boundary, so no transaction is in two files. A huge transaction makes its
// segment larger, up to the bound of the spool. To drop an incomplete transaction, the end of one file is cut off, and
// [Spool.Trim] deletes whole files. A segment begins with the relation and type messages known at that time, so that
// reading can begin at any segment. A segment is synced before the next one is made, so only the last one can be torn.
//
// A segment has a header and then records:
//
//	header   magic [8]byte, previous commit uint64, salt uint32, checksum uint32
//	record   length of the data uint32, checksum uint32, kind byte, LSN uint64, commit uint64, data
//
// Numbers are little-endian. The checksum of a record is a CRC-32C that starts with the salt and the record's
// offset. So bytes of a deleted file, which a crash may leave in a new one, do not pass as a record.
package spool
