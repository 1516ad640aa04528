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

// away are the SQLSTATEs, or how they begin, with which a server says that it takes nothing, or
// nothing at present: the connection is lost (08), it is a standby (25006), has no room or no
// connection left (53), is starting or stopping (57P), or cannot read its files (58).
var unavailableStates = []string{"08", "25006", "53", "57P01", "57P02", "57P03", "57P05", "58"}

// Unavailable returns err, marked by [plugin.Unavailable] where it says that the server is not reached, or
// takes nothing. A wrong password or a missing table is not marked: asking again soon is of no
// use, and can lock a role out. It returns nil where err is nil.
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
