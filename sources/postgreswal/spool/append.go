package spool

import (
	"fmt"
	"os"
)

// writer is the state of the last segment, to which records are appended. Spool.writing guards it.
type writer struct {
	file    *os.File
	segment *segment
	salt    uint32
	carried int64  // bytes of the header, and of the relation and type messages behind it
	flushed int64  // bytes in the file
	synced  int64  // bytes that were flushed at the latest sync
	buf     []byte // records that are not yet in the file
	commits int64  // offset behind the last commit
	commit  uint64 // the last commit that was appended
	failed  error  // of a sync, after which the disk may lack what was flushed; or of Clear or Close

	relations relations // as of the last commit
	pending   relations // of the incomplete transaction
}

// offset is the size of the segment with all that was appended.
func (w *writer) offset() int64 { return w.flushed + int64(len(w.buf)) }

// Append appends a record. The first Sync after the end of its transaction makes it visible. Commits must rise. An error
// means that the record was not appended; it is ErrFull if there is no space for it. Append keeps no reference to r.Data.
func (s *Spool) Append(r Record) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	w := &s.writer
	switch {
	case w.failed != nil:
		return w.failed
	case len(r.Data) > maxData:
		return fmt.Errorf("a message of %d bytes is too large for the spool", len(r.Data))
	case r.Commit != 0 && r.Commit <= w.commit:
		return fmt.Errorf("cannot append commit %X to the spool behind commit %X: restart the stream behind the spool's end", r.Commit, w.commit)
	}
	if w.commits == w.offset() && w.offset()-w.carried >= s.segmentBytes {
		if err := s.roll(); err != nil {
			return err
		}
	}
	size := int64(recordHeader + len(r.Data))
	if s.maxBytes > 0 && s.size.Load()+size > s.maxBytes {
		return fmt.Errorf("%w: it has %d of at most %d bytes, and a message has %d", ErrFull, s.size.Load(), s.maxBytes, size)
	}
	before := len(w.buf)
	w.buf = appendRecord(w.buf, w.salt, w.offset(), original, r)
	if len(w.buf) >= bufferBytes {
		if err := s.flush(); err != nil {
			w.buf = w.buf[:before]
			return err
		}
	}
	s.size.Add(size)
	w.pending.add(r.Data)
	if r.Commit != 0 {
		w.commit, w.commits = r.Commit, w.offset()
		w.relations.merge(w.pending)
		w.pending = nil
	}
	return nil
}

// flush writes the buffer. If it fails, the next flush writes the same bytes to the same place.
func (s *Spool) flush() error {
	w := &s.writer
	if len(w.buf) == 0 {
		return nil
	}
	if _, err := s.disk.writeAt(w.file, w.buf, w.flushed); err != nil {
		return s.diskError(err)
	}
	w.flushed += int64(len(w.buf))
	if w.buf = w.buf[:0]; cap(w.buf) > 4*bufferBytes {
		w.buf = nil
	}
	return nil
}

// Sync writes what was appended to the disk, so that it survives a crash of the host. Then it makes complete
// transactions visible. If the write fails, Sync can be called again. If the sync of the file fails, Append and Sync
// return that error until Rewind.
func (s *Spool) Sync() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.sync()
}

func (s *Spool) sync() error {
	w := &s.writer
	if w.failed != nil {
		return w.failed
	}
	if err := s.flush(); err != nil {
		return err
	}
	if w.synced == w.flushed {
		return nil
	}
	if err := s.disk.sync(w.file); err != nil {
		// The kernel reports what it could not write only once, and may then drop it. So no later sync can
		// be trusted to write it, and no process may read it from the cache.
		_ = w.file.Truncate(w.segment.end) // Rewind repeats it, and checks the error
		w.failed = s.diskError(err)
		return w.failed
	}
	w.synced = w.flushed
	s.mu.Lock()
	defer s.mu.Unlock()
	w.segment.end, w.segment.last, s.end = w.commits, w.commit, w.commit
	return nil
}

// Rewind drops what is behind End, so that the stream can be restarted there. It also recovers from a failed Sync.
func (s *Spool) Rewind() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	w := &s.writer
	err := w.file.Truncate(w.segment.end)
	if err == nil { // without a sync, a crash could mix what is dropped with what is appended in its place
		err = s.disk.sync(w.file)
	}
	if err != nil {
		return s.diskError(err)
	}
	s.size.Add(w.segment.end - w.offset())
	w.buf, w.pending, w.failed = nil, nil, nil
	w.flushed, w.synced, w.commits, w.commit = w.segment.end, w.segment.end, w.segment.end, w.segment.last
	return nil
}

// roll begins a new segment. The caller makes sure that all transactions are complete.
func (s *Spool) roll() error {
	if err := s.sync(); err != nil {
		return err
	}
	before := s.writer.file
	if err := s.newSegment(s.writer.commit); err != nil {
		return err
	}
	return before.Close() // it was synced
}

// newSegment makes a segment behind a commit, and appends to it from now on.
func (s *Spool) newSegment(previous uint64) error {
	seg := &segment{path: segmentPath(s.dir, previous), previous: previous, last: previous}
	content, salt := newHeader(previous)
	for _, r := range s.writer.relations.inOrder() {
		content = appendRecord(content, salt, int64(len(content)), carried, r)
	}
	f, err := os.OpenFile(seg.path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return s.diskError(err)
	}
	if _, err = s.disk.writeAt(f, content, 0); err == nil {
		err = s.disk.sync(f)
	}
	if err == nil {
		err = s.disk.syncDir(s.dir)
	}
	if err != nil {
		f.Close()
		os.Remove(seg.path) // if this fails, the next Open finds a segment without records, which does no harm
		return s.diskError(err)
	}
	seg.end = int64(len(content))
	s.size.Add(seg.end)
	s.writer = writer{
		file: f, segment: seg, salt: salt, carried: seg.end, flushed: seg.end, synced: seg.end, commits: seg.end, commit: previous,
		relations: s.writer.relations,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments, s.end = append(s.segments, seg), previous
	return nil
}
