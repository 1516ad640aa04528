package postgreswal

import (
	"context"
	"fmt"
	"slices"
	"unicode/utf8"

	"eventgateway/gateway/pgconn"
)

// A database can have an encoding other than UTF-8, and a text in it a byte without a UTF-8 form. The server cannot send such a
// change in UTF-8, and ends the stream. From then on the stream is untranslated: its texts are in the encoding of the database.
// The reader's session translates each value that is not ASCII. It escapes a byte without a UTF-8 form, as the outbox does.

// SQLSTATEs of a text that has no UTF-8 form.
const (
	untranslatableCharacter = "22P05"
	characterNotInEncoding  = "22021"
)

func isUntranslatable(err error) bool {
	return hasState(err, untranslatableCharacter) || hasState(err, characterNotInEncoding)
}

// untranslatedSettings are those of a replication connection whose texts are not translated.
var untranslatedSettings = append(slices.Clone(pgconn.RowSettings), pgconn.Setting{Name: "client_encoding", Value: "SQL_ASCII"})

// needsTranslation reports whether a value from the stream must be translated to UTF-8.
func (r *reader) needsTranslation(value []byte) bool {
	switch {
	case !r.otherEncoding:
		return false
	case !r.s.untranslated:
		return !utf8.Valid(value) // in a database without an encoding
	}
	return slices.ContainsFunc(value, func(b byte) bool { return b >= utf8.RuneSelf })
}

// restartUntranslated starts an untranslated stream, which sends again what is not confirmed. The reader skips what it has emitted.
func (r *reader) restartUntranslated(ctx context.Context) error {
	r.s.untranslated = true
	r.s.log.Info("stream without translation", "reason", "a text has no UTF-8 form")
	r.stream.disconnect(context.Canceled)
	r.tx, r.held = transaction{}, nil
	clear(r.relations)
	p := r.stream.newPipe()
	r.stream.current = p
	return r.connect(ctx, p, p)
}

// prepareEncoding finds out whether the database has an encoding other than UTF-8. Then it creates the function that translates.
func (r *reader) prepareEncoding(ctx context.Context) error {
	encoding := r.conn.PgConn().ParameterStatus("server_encoding")
	if r.otherEncoding = encoding != "" && encoding != "UTF8"; !r.otherEncoding {
		return nil
	}
	if r.s.opts.Spool.Path != "" {
		r.s.untranslated = true // so that all messages in the spool have the same encoding
	}
	return execStatement(ctx, r.conn, pgconn.ReadableTextSQL)
}

// translate returns a value, as JSON or a name, in UTF-8.
func (r *reader) translate(ctx context.Context, value []byte) (translated []byte, err error) {
	ctx, cancel := r.withTimeout(ctx)
	defer cancel()
	if err := r.conn.QueryRow(ctx, "SELECT convert_to(pg_temp.gateway_text(convert_from($1::bytea, getdatabaseencoding())), 'UTF8')", value).Scan(&translated); err != nil {
		return nil, fmt.Errorf("cannot translate a text from the encoding of the database: %w", err)
	}
	return translated, nil
}

// translateRelation translates the names of a table and of its columns.
func (r *reader) translateRelation(ctx context.Context, rel *relation) error {
	names := []*string{&rel.name.Schema, &rel.name.Name}
	for i := range rel.columns {
		names = append(names, &rel.columns[i].name)
	}
	for _, name := range names {
		if !r.needsTranslation([]byte(*name)) {
			continue
		}
		translated, err := r.translate(ctx, []byte(*name))
		if err != nil {
			return err
		}
		*name = string(translated)
	}
	rel.table = rel.name.Qualified()
	return nil
}
