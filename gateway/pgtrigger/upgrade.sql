-- All captured tables get what this version adds. Each keeps how its trigger is enabled. The
-- tables are locked together: a session that waits for one of them while it holds another
-- can be in the way of a writer.
DO $eventgateway_do$
DECLARE
  one record;
  trigger_name text;
  every text;
  list text := $list$
    SELECT format('%I.%I', n.nspname, c.relname) AS tbl, t.tgenabled AS enabled, q.schema, q.name, a.name AS was, NAME_OF(q.schema, q.name) AS becomes
      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      CROSS JOIN LATERAL (SELECT array_agg(convert_from(decode(hex, 'hex'), getdatabaseencoding()) ORDER BY place) AS args
        FROM unnest(string_to_array(regexp_replace(encode(t.tgargs, 'hex'), '(..)', E'/\\1', 'g') || '/', '/00/')) WITH ORDINALITY h(raw, place)
        CROSS JOIN LATERAL (SELECT replace(raw, '/', '') AS hex) x) g
      CROSS JOIN LATERAL (SELECT args[1] AS name) a
      CROSS JOIN LATERAL (SELECT args[2] AS schema, args[3] AS name WHERE t.tgnargs = 3
        UNION ALL SELECT n.nspname, c.relname WHERE t.tgnargs < 3 AND a.name IN (n.nspname || '.' || c.relname, NAME_OF(n.nspname, c.relname))
        UNION ALL SELECT split_part(a.name, '.', 1), substr(a.name, strpos(a.name, '.') + 1)
          WHERE t.tgnargs < 3 AND a.name NOT IN (n.nspname || '.' || c.relname, NAME_OF(n.nspname, c.relname))) q -- a table that was renamed
     WHERE t.tgname = '!gateway_outbox' AND t.tgparentid = 0 AND t.tgfoid = 'gateway.outbox_capture()'::regprocedure
       AND (t.tgnargs < 3 OR a.name <> NAME_OF(q.schema, q.name)
         OR 2 > (SELECT count(*) FROM pg_trigger r WHERE r.tgrelid = t.tgrelid AND r.tgname IN ('!gateway_json', '!gateway_outbox_truncate')))
     ORDER BY 1 $list$;
BEGIN
  EXECUTE 'SELECT string_agg(tbl, '', '') FROM (' || list || ') l' INTO every;
  IF every IS NULL THEN
    RETURN;
  END IF;
  EXECUTE 'LOCK TABLE ' || every || ' IN SHARE ROW EXCLUSIVE MODE';
  -- Changes that wait under a name which could be that of two tables get the one that is theirs.
  EXECUTE 'UPDATE gateway.outbox o SET tbl = l.becomes FROM (SELECT was, min(becomes) AS becomes FROM (' || list || ') l GROUP BY was HAVING count(*) = 1 AND was <> min(becomes)) l WHERE o.tbl = l.was';
  FOR one IN EXECUTE list LOOP
    EXECUTE format('CREATE OR REPLACE TRIGGER "!gateway_json" AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION gateway.outbox_row()', one.tbl);
    EXECUTE format('CREATE OR REPLACE TRIGGER "!gateway_outbox" AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION gateway.outbox_capture(%L, %L, %L)', one.tbl, one.becomes, one.schema, one.name);
    EXECUTE format('CREATE OR REPLACE TRIGGER "!gateway_outbox_truncate" AFTER TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION gateway.outbox_capture(%L, %L, %L)', one.tbl, one.becomes, one.schema, one.name);
    FOREACH trigger_name IN ARRAY ARRAY['!gateway_json', '!gateway_outbox', '!gateway_outbox_truncate'] LOOP
      EXECUTE format('ALTER TABLE %s %s TRIGGER %I', one.tbl,
        CASE one.enabled WHEN 'A' THEN 'ENABLE ALWAYS' WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'D' THEN 'DISABLE' ELSE 'ENABLE' END, trigger_name);
    END LOOP;
  END LOOP;
END $eventgateway_do$;
