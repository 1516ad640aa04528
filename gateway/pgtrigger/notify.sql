-- Notifies a change of a row as {"operation": ..., FIELD: row}. The trigger's arguments are
-- the channel and FIELD. It does not fail the statement that it follows: a payload over the
-- 7,999 bytes that NOTIFY takes is sent with the primary key only, marked by "_gateway_fetch",
-- and the source postgres-notify fetches the row. Any other error becomes a warning. PostgreSQL
-- itself refuses PREPARE TRANSACTION after a NOTIFY, and COMMIT while its notification queue is
-- full. The function runs with the rights of the role that writes; every name is qualified,
-- because the search_path is the writer's, too.
CREATE OR REPLACE FUNCTION FUNCTION_NAME() RETURNS trigger
LANGUAGE plpgsql AS $gateway$ -- eventgateway sql version SQL_VERSION
DECLARE
  changed pg_catalog.json;
  payload pg_catalog.text;
BEGIN
  changed := CASE WHEN TG_OP OPERATOR(pg_catalog.=) 'DELETE' THEN pg_catalog.row_to_json(OLD) ELSE pg_catalog.row_to_json(NEW) END;
  payload := pg_catalog.json_build_object('operation', TG_OP, TG_ARGV[1], changed)::pg_catalog.text;
  IF pg_catalog.octet_length(payload) OPERATOR(pg_catalog.>) 7999 THEN
    payload := pg_catalog.json_build_object('operation', TG_OP, TG_ARGV[1],
      (SELECT pg_catalog.json_object_agg(a.attname, changed OPERATOR(pg_catalog.->) a.attname::pg_catalog.text)
         FROM pg_catalog.pg_index i
         JOIN pg_catalog.pg_attribute a ON a.attrelid OPERATOR(pg_catalog.=) i.indrelid
          AND a.attnum OPERATOR(pg_catalog.=) ANY ((i.indkey::pg_catalog.int2[])[0:i.indnkeyatts OPERATOR(pg_catalog.-) 1])
        WHERE i.indrelid OPERATOR(pg_catalog.=) TG_RELID AND i.indisprimary),
      '_gateway_fetch', pg_catalog.format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME))::pg_catalog.text;
  END IF;
  IF pg_catalog.octet_length(payload) OPERATOR(pg_catalog.>) 7999 THEN -- the key itself is that long
    payload := pg_catalog.json_build_object('operation', TG_OP, TG_ARGV[1], NULL,
      '_gateway_fetch', pg_catalog.format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME))::pg_catalog.text;
  END IF;
  PERFORM pg_catalog.pg_notify(TG_ARGV[0], payload);
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'gateway: this change of %.% was not notified: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, SQLERRM;
  RETURN NULL;
END $gateway$;
REVOKE ALL ON FUNCTION FUNCTION_NAME() FROM PUBLIC;
