package postgreswal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
)

// publicationShare is the number of measurements of the lag for one check of the publication: it is checked each minute.
const publicationShare = 12

// checkPublication reports an error if the server does not send all changes of the tables, as after ALTER PUBLICATION or
// ALTER TABLE ... RENAME. The stream itself goes on without them, and without an error.
func (m *monitor) checkPublication(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := pgconn.WithSilenceTimeout(ctx, conn, answerTimeout)
	defer cancel()
	s, text := m.r.s, ""
	var viaRoot, generated bool
	var operations string
	var published []string
	err := conn.QueryRow(ctx, publicationSQL, s.opts.Publication).Scan(&viaRoot, &generated, &operations)
	if err == nil {
		err = conn.QueryRow(ctx, publishedSQL, s.opts.Publication).Scan(&published)
	}
	var missing []string
	for table := range s.tables {
		if !slices.Contains(published, table) {
			missing = append(missing, table)
		}
	}
	slices.Sort(missing)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		text = "there is no such publication"
	case err != nil:
		return fmt.Errorf("cannot read the publication %s: %w", s.opts.Publication, err)
	case len(missing) > 0:
		text = "it does not have " + strings.Join(missing, ", ")
	case operations != "":
		text = "it does not publish " + operations
	}
	if text != s.unpublished && text != "" {
		err := fmt.Errorf("changes are not sent because of the publication %s: %s; gateway check --live shows the SQL", s.opts.Publication, text)
		s.log.Warn("changes are not published", "publication", s.opts.Publication, "reason", text)
		m.r.out.ReportError(err)
	}
	s.unpublished = text
	return nil
}
