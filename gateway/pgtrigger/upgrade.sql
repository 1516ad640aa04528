-- Tables that an earlier version captures get what this version adds.
DO $eventgateway_do$
DECLARE
  one record;
BEGIN
  FOR one IN
    SELECT format('%I.%I', n.nspname, c.relname) AS tbl, a.name,
        '"' || replace(q.schema, '"', '""') || '"."' || replace(q.name, '"', '""') || '"' AS quoted
      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      CROSS JOIN LATERAL (SELECT convert_from(substring(t.tgargs FROM 1 FOR position('\x00'::bytea IN t.tgargs) - 1), getdatabaseencoding()) AS name) a
      CROSS JOIN LATERAL (SELECT n.nspname::text AS schema, c.relname::text AS name WHERE a.name = n.nspname || '.' || c.relname
        UNION ALL SELECT split_part(a.name, '.', 1), substr(a.name, strpos(a.name, '.') + 1) WHERE a.name <> n.nspname || '.' || c.relname) q -- a table that was renamed
     WHERE t.tgname = '!gateway_outbox' AND t.tgparentid = 0 AND t.tgfoid = 'gateway.outbox_capture()'::regprocedure
       AND NOT EXISTS (SELECT FROM pg_trigger r WHERE r.tgrelid = t.tgrelid AND r.tgname = '!gateway_json')
     ORDER BY 1
  LOOP
    EXECUTE format('CREATE TRIGGER "!gateway_json" AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION gateway.outbox_row()', one.tbl);
    EXECUTE format('CREATE OR REPLACE TRIGGER "!gateway_outbox" AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION gateway.outbox_capture(%L, %L)', one.tbl, one.name, one.quoted);
    EXECUTE format('CREATE OR REPLACE TRIGGER "!gateway_outbox_truncate" AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION gateway.outbox_capture(%L, %L)', one.tbl, one.name, one.quoted);
  END LOOP;
END $eventgateway_do$;
