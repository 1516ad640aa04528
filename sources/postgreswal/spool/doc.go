// Package spool keeps raw messages of logical replication on disk, so that the server needs its WAL no more.
//
// A spool is a folder with one writer and any number of readers in one process. What is appended becomes
// visible, and is promised to survive a crash of the host, at [Spool.Sync], and only up to the end of the last
// complete transaction. So a reader gets complete transactions only, and nothing that it has got is ever cut
// off. The rest of a transaction that was under way is dropped by the next [Open] or [Spool.Rewind]: the server
// sends that transaction again from its begin.
//
// The folder holds:
//
//	lock              locked while a process uses the folder
//	identity          what the messages belong to
//	<16 hex digits>   a segment, named by the last commit before it
//
// Segments begin and end at a transaction boundary. A huge transaction makes its segment larger. So an incomplete
// transaction is dropped by a cut of one file, and [Spool.Trim] needs no book of what spans files; the spool's
// bound limits the size. A segment begins with the relation and type messages known at that time, so that reading can
// begin at any segment. A segment is synced before the next one is made. So only the last one can be torn.
//
// A segment has a header and then records:
//
//	header   magic [8]byte, previous commit uint64, salt uint32, checksum uint32
//	record   length of the data uint32, checksum uint32, kind byte, LSN uint64, commit uint64, data
//
// Numbers are little-endian. The checksum of a record is a CRC-32C that starts with the salt and the record's
// offset. So bytes of a deleted file, which a crash may leave in a new one, are no record.
package spool
