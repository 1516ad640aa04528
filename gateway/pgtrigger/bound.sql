-- The bound of a reader, which its options set: beyond max_age or max_bytes it is detached, and
-- its changes may be deleted. attached is the token with which it began to read last: a
-- detachment with a lower token is void.
ALTER TABLE gateway.outbox_reader ADD COLUMN IF NOT EXISTS max_age interval, ADD COLUMN IF NOT EXISTS max_bytes bigint, ADD COLUMN IF NOT EXISTS attached bigint NOT NULL DEFAULT 0;
-- A writer detaches a reader by a row here, with the reader's token. It does not write the reader's row, on
-- which the reader would wait for the writer's transaction. No index is unique: else a writer would wait for another.
CREATE TABLE IF NOT EXISTS gateway.outbox_detached (
  name   text NOT NULL,
  token  bigint NOT NULL,
  xid    xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  reason text NOT NULL
);
-- The size of the changes that writers have measured: of the 1,024 up to an id, or of one large change.
CREATE TABLE IF NOT EXISTS gateway.outbox_size (
  id    bigint NOT NULL,
  bytes bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS outbox_size_id ON gateway.outbox_size (id);
-- Roles that read the outbox find out whether they are detached.
DO $eventgateway_do$
DECLARE
  reader text;
BEGIN
  FOR reader IN
    SELECT DISTINCT quote_ident(r.rolname) FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
     WHERE c.oid = to_regclass('gateway.outbox_reader') AND a.privilege_type = 'UPDATE' AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('GRANT SELECT, DELETE ON gateway.outbox_detached TO %s', reader);
  END LOOP;
END $eventgateway_do$;
-- The writer of every 1,024th change, and of each large one, calls this function. It measures the
-- changes, detaches readers that are beyond their bound, and deletes changes if no reader is
-- left. It waits for no lock, and has no EXCEPTION: a subtransaction for each 1,024 rows would make large
-- transactions slow for all sessions. Changes are deleted by the pages of the table, in turn, because an index
-- scan would step over all rows that were deleted and not vacuumed.
CREATE OR REPLACE FUNCTION gateway.outbox_bound(written bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $gateway$
DECLARE
  files bigint;
  pages bigint;
  page bigint;
BEGIN
  -- Another isolation level could fail the user's transaction, or detach by what was long ago.
  IF current_setting('transaction_isolation') <> 'read committed' OR NOT EXISTS (SELECT FROM gateway.outbox_reader WHERE max_age IS NOT NULL OR max_bytes IS NOT NULL) THEN
    RETURN;
  END IF;
  IF EXISTS (SELECT FROM gateway.outbox_reader WHERE max_bytes IS NOT NULL) THEN
    -- Only visible changes are counted, so the size is never too large.
    INSERT INTO gateway.outbox_size (id, bytes)
      SELECT written, coalesce(sum(84 + octet_length(o.tbl) + coalesce(pg_column_size(o.old), 0) + coalesce(pg_column_size(o.new), 0) + coalesce(pg_column_size(o.traceparent), 0)), 0) FROM gateway.outbox o
       WHERE o.id > CASE WHEN written % 1024 = 0 THEN written - 1024 ELSE written - 1 END AND o.id <= written
         AND NOT EXISTS (SELECT FROM gateway.outbox_size s WHERE s.id = o.id);
    files := pg_total_relation_size('gateway.outbox');
  END IF;
  INSERT INTO gateway.outbox_detached (name, token, reason)
    SELECT r.name, r.token, CASE WHEN a.age > r.max_age THEN format('it had not read a change for %s, and max_age is %s', date_trunc('second', a.age), r.max_age)
        ELSE format('it had not read changes of %s, and max_bytes is %s', pg_size_pretty(b.bytes), pg_size_pretty(r.max_bytes)) END
      FROM gateway.outbox_reader r
      CROSS JOIN LATERAL (SELECT CASE WHEN r.max_age IS NOT NULL THEN clock_timestamp() - (SELECT o.at FROM gateway.outbox o WHERE o.id > r.hi ORDER BY o.id LIMIT 1) END AS age) a
      CROSS JOIN LATERAL (SELECT CASE WHEN files > r.max_bytes THEN (SELECT sum(s.bytes)::bigint FROM gateway.outbox_size s
        WHERE s.id > r.hi AND s.id <= written AND (s.id % 1024 <> 0 OR s.id - 1024 >= r.hi)) END AS bytes) b
     WHERE (a.age > r.max_age OR b.bytes > r.max_bytes) AND NOT EXISTS (SELECT FROM gateway.outbox_detached d WHERE d.name = r.name AND d.token = r.token);
  DELETE FROM gateway.outbox_size WHERE ctid = ANY (ARRAY(SELECT s.ctid FROM gateway.outbox_size s
    WHERE s.id <= coalesce((SELECT min(r.hi) FROM gateway.outbox_reader r WHERE r.max_bytes IS NOT NULL
      AND NOT EXISTS (SELECT FROM gateway.outbox_detached d WHERE d.name = r.name AND d.token = r.token)), written - 1024) ORDER BY s.id LIMIT 100 FOR UPDATE SKIP LOCKED));
  -- A detachment counts once its transaction has ended: the reader must see it before changes are missing.
  IF EXISTS (SELECT FROM gateway.outbox_reader r WHERE NOT EXISTS (SELECT FROM gateway.outbox_detached d
      WHERE d.name = r.name AND d.token = r.token AND d.xid <> pg_current_xact_id())) THEN
    RETURN; -- a reader needs the changes, and deletes those that none needs
  END IF;
  -- Its own changes stay: it has not committed, and a reader that comes back until then needs them.
  pages := pg_relation_size('gateway.outbox') / current_setting('block_size')::bigint;
  page := written / 1024 * 256 % greatest(pages, 1);
  DELETE FROM gateway.outbox WHERE ctid = ANY (ARRAY(SELECT o.ctid FROM gateway.outbox o
    WHERE o.ctid >= format('(%s,0)', page)::tid AND o.ctid < format('(%s,0)', page + 256)::tid AND o.xid <> pg_current_xact_id() LIMIT 4096 FOR UPDATE SKIP LOCKED));
END $gateway$;
REVOKE ALL ON FUNCTION gateway.outbox_bound(bigint) FROM PUBLIC;
