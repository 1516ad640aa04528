package pgtrigger

import "fmt"

// partitionCheckSQL returns a statement that fails where the table, or a part of it, belongs to
// another role and is partitioned by an expression. PostgreSQL evaluates such an expression
// with the rights of the role that makes a trigger: its owner would get them. The tables stay
// locked, so that no such part is attached before the transaction ends.
func partitionCheckSQL(t Table) string {
	return doSQL(fmt.Sprintf(`DECLARE
  part pg_catalog.text;
  its_owner pg_catalog.text;
BEGIN
  PERFORM FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(%[1]s) AND c.relkind OPERATOR(pg_catalog.=) 'p';
  IF NOT FOUND THEN
    RETURN;
  END IF;
  LOCK TABLE %[2]s IN ACCESS EXCLUSIVE MODE;
  SELECT pg_catalog.format('%%I.%%I', n.nspname, c.relname), o.rolname INTO part, its_owner
    FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass(%[1]s)) t
    JOIN pg_catalog.pg_partitioned_table p ON p.partrelid OPERATOR(pg_catalog.=) t.relid AND p.partexprs IS NOT NULL
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.relid
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) c.relowner
   WHERE NOT o.rolsuper AND o.rolname OPERATOR(pg_catalog.<>) current_user LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'the table %% is partitioned by an expression, which could run code of its owner "%%" with the rights of "%%"', part, its_owner, current_user
      USING HINT = pg_catalog.format('Carry this out as its owner: SET ROLE %%I.', its_owner);
  END IF;
END`, literal(t.String()), t))
}
