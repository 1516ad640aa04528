package pgconn

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"

	pg "github.com/jackc/pgx/v5/pgconn"

	"eventgateway/gateway/plugin"
)

// unavailableStates are the SQLSTATEs, or their prefixes, of a server that cannot serve at present: the
// connection is lost (08), it is a standby (25006), it has no disk space or no
// connection left (53), it is starting or stopping (57P), or it cannot read its files (58).
var unavailableStates = []string{"08", "25006", "53", "57P01", "57P02", "57P03", "57P05", "58"}

// Unavailable returns err, marked by [plugin.Unavailable] if the server cannot be reached, or cannot serve
// at present. A wrong password or a missing table is not marked: an early retry is of no
// use, and can lock a role out. It returns nil if err is nil.
func Unavailable(err error) error {
	var serverErr *pg.PgError
	var dial *pg.ConnectError
	var network net.Error
	switch {
	case err == nil, plugin.IsUnavailable(err), errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &serverErr):
		if slices.ContainsFunc(unavailableStates, func(begin string) bool { return strings.HasPrefix(serverErr.Code, begin) }) {
			return plugin.Unavailable(err)
		}
		return err
	case errors.As(err, &dial), errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, context.DeadlineExceeded), pg.SafeToRetry(err):
		return plugin.Unavailable(err)
	}
	return err
}
