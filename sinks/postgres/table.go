package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"eventgateway/gateway/pgconn"
	"eventgateway/gateway/plugin"
)

// table describes the table to which the sink writes, by the catalog of the server.
type table struct {
	oid       uint32
	name      string   // quoted, with its schema
	types     []string // of the columns of the sink, qualified
	equal     []string // the operators of the key's index, in the order of the key
	delivered string   // the table of delivered IDs, quoted, with its schema; "" if there is none
}

// tableSQL finds the table whose name is $1, by the search path of the session.
const tableSQL = `SELECT c.oid, format('%I.%I', n.nspname, c.relname), c.relkind::text
	FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass($1)::oid`

// typesSQL finds the types of columns. The type modifier -1 leaves the length to the assignment, which reports a text that is too long.
const typesSQL = `SELECT a.attname::text, format_type(a.atttypid, -1), a.attgenerated <> '' OR a.attidentity = 'a' FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped`

// keySQL finds the columns of the unique indexes of a table that ON CONFLICT can use, and their operators for equality.
const keySQL = `SELECT i.indexrelid, a.attname::text, format('OPERATOR(%I.%s)', n.nspname, o.oprname)
	FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(attnum, position)
	JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
	JOIN pg_opclass c ON c.oid = i.indclass[k.position - 1]
	JOIN pg_amop m ON m.amopfamily = c.opcfamily AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype AND m.amopstrategy = 3
	JOIN pg_operator o ON o.oid = m.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
	WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL AND k.position <= i.indnkeyatts
	ORDER BY i.indexrelid, k.position`

// codeSQL finds the owners of the functions that run with the rights of the session when a row of the table $1, or of one of its
// partitions, is written: those of triggers, defaults, checks, policies, rules and indexes.
const codeSQL = `WITH tables AS (SELECT $1::oid AS id UNION SELECT relid::oid FROM pg_partition_tree($1::oid::regclass)), parts AS (
		SELECT 'pg_trigger'::regclass::oid AS class, t.oid FROM pg_trigger t WHERE t.tgrelid IN (SELECT id FROM tables) AND NOT t.tgisinternal
		UNION ALL SELECT 'pg_attrdef'::regclass::oid, a.oid FROM pg_attrdef a WHERE a.adrelid IN (SELECT id FROM tables)
		UNION ALL SELECT 'pg_constraint'::regclass::oid, c.oid FROM pg_constraint c WHERE c.conrelid IN (SELECT id FROM tables)
		UNION ALL SELECT 'pg_policy'::regclass::oid, p.oid FROM pg_policy p WHERE p.polrelid IN (SELECT id FROM tables)
		UNION ALL SELECT 'pg_rewrite'::regclass::oid, r.oid FROM pg_rewrite r WHERE r.ev_class IN (SELECT id FROM tables)
		UNION ALL SELECT 'pg_class'::regclass::oid, i.indexrelid FROM pg_index i WHERE i.indrelid IN (SELECT id FROM tables))
	SELECT DISTINCT r.rolname::text FROM parts JOIN pg_depend d ON d.classid = parts.class AND d.objid = parts.oid AND d.refclassid = 'pg_proc'::regclass
	JOIN pg_proc f ON f.oid = d.refobjid JOIN pg_roles r ON r.oid = f.proowner WHERE NOT r.rolsuper AND r.rolname <> session_user`

// lookUp finds the table. If the table cannot be written with these options, the error is marked by [plugin.Unavailable]: no
// event is its cause, and a change of the table mends it.
func (s *sink) lookUp(ctx context.Context, conn *pgx.Conn) (t table, err error) {
	if t.oid, t.name, err = find(ctx, conn, s.opts.Table); err != nil {
		return t, err
	}
	var delivered uint32
	if s.opts.Delivered != "" {
		if delivered, t.delivered, err = find(ctx, conn, s.opts.Delivered); err != nil {
			return t, err
		}
	}
	err = pgconn.InTx(ctx, conn, func(tx pgx.Tx) error {
		if err := s.checkCode(ctx, tx, t.oid, t.name); err != nil {
			return err
		}
		if t.delivered != "" {
			if err := s.checkCode(ctx, tx, delivered, t.delivered); err != nil {
				return err
			}
		}
		if t.types, err = s.typesOf(ctx, tx, t); err != nil {
			return err
		}
		if len(s.opts.Key) > 0 {
			t.equal, err = s.operatorsOf(ctx, tx, t)
		}
		return err
	})
	if err != nil {
		return t, plugin.Unavailable(pgconn.Summarize(err))
	}
	return t, nil
}

// find returns a table, and its quoted name.
func find(ctx context.Context, conn *pgx.Conn, name string) (oid uint32, quoted string, err error) {
	var kind string
	switch err = conn.QueryRow(ctx, tableSQL, pgx.QueryExecModeExec, name).Scan(&oid, &quoted, &kind); {
	case errors.Is(err, pgx.ErrNoRows):
		return 0, "", plugin.Unavailable(fmt.Errorf("the table %s does not exist, or its schema is not visible to the role: create it, or GRANT USAGE ON SCHEMA", name))
	case err != nil:
		return 0, "", pgconn.Summarize(err)
	case !strings.Contains("rpvf", kind):
		return 0, "", plugin.Unavailable(fmt.Errorf("%s is not a table: name one", quoted))
	}
	return oid, quoted, nil
}

// checkCode returns an error if code of a role that is not trusted would run with the rights of this session when a row of a table is
// written.
func (s *sink) checkCode(ctx context.Context, tx pgx.Tx, oid uint32, name string) error {
	if err := pgconn.CheckOwnersTrusted(ctx, tx, oid, s.opts.Owners); err != nil {
		return err
	}
	rows, err := tx.Query(ctx, codeSQL, oid)
	if err != nil {
		return err
	}
	owners, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(owners, func(owner string) bool { return !slices.Contains(s.opts.Owners, owner) }); i >= 0 {
		return fmt.Errorf("the table %s is not written: the role %q owns a function of a trigger, default, check, policy, rule or index of it, which would run with the rights of this role; add the role to the option owners if you trust it", name, owners[i])
	}
	return nil
}

// typesOf returns the types of the columns of the sink.
func (s *sink) typesOf(ctx context.Context, tx pgx.Tx, t table) (types []string, err error) {
	rows, err := tx.Query(ctx, typesSQL, t.oid)
	if err != nil {
		return nil, err
	}
	type column struct {
		Name, Type string
		Generated  bool
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil {
		return nil, err
	}
	for _, name := range s.names {
		i := slices.IndexFunc(all, func(c column) bool { return c.Name == name })
		switch {
		case i < 0:
			return nil, fmt.Errorf("the table %s has no column %s: add it, or remove it from columns", t.name, name)
		case all[i].Generated:
			return nil, fmt.Errorf("the column %s of %s is generated by the server: remove it from columns", name, t.name)
		}
		types = append(types, all[i].Type)
	}
	return types, nil
}

// operatorsOf returns the operators of the unique index whose columns are the key.
func (s *sink) operatorsOf(ctx context.Context, tx pgx.Tx, t table) (operators []string, err error) {
	rows, err := tx.Query(ctx, keySQL, t.oid)
	if err != nil {
		return nil, err
	}
	type column struct {
		Index       uint32
		Name, Equal string
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[column])
	if err != nil {
		return nil, err
	}
	indexes := map[uint32]map[string]string{}
	for _, c := range all {
		if indexes[c.Index] == nil {
			indexes[c.Index] = map[string]string{}
		}
		indexes[c.Index][c.Name] = c.Equal
	}
	for _, columns := range indexes {
		if len(columns) != len(s.opts.Key) {
			continue
		}
		operators = operators[:0]
		for _, name := range s.opts.Key {
			if op, ok := columns[name]; ok {
				operators = append(operators, op)
			}
		}
		if len(operators) == len(s.opts.Key) {
			return operators, nil
		}
	}
	list := columnList("", s.opts.Key)
	return nil, fmt.Errorf("the table %s has no primary key and no unique index on %s: ALTER TABLE %[1]s ADD UNIQUE (%[2]s)", t.name, list)
}
