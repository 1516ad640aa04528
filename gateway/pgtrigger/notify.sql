-- Notifies a change of a row as {"operation": ..., FIELD: row}. The trigger's arguments are
-- the channel and FIELD. It does not fail the statement that it follows: a payload over the
-- 7,999 bytes that NOTIFY takes is sent with the primary key only, marked by "_gateway_fetch",
-- and the source postgres-notify fetches the row. Where anything else fails, there is a warning,
-- and the payload has the mark, and no key. PostgreSQL itself refuses PREPARE TRANSACTION after a
-- NOTIFY, and COMMIT while its notification queue is full. The function runs with the rights of
-- the role that writes. Its settings make a row the same text, whatever the session has set.
CREATE OR REPLACE FUNCTION FUNCTION_NAME() RETURNS trigger
LANGUAGE plpgsql ROW_SETTINGS
AS $gateway$ -- eventgateway sql version SQL_VERSION
DECLARE
  payload text;
  columns text;
  key json;
BEGIN
  IF TG_OP = 'DELETE' THEN
    payload := json_build_object('operation', TG_OP, TG_ARGV[1], row_to_json(OLD))::text;
  ELSE
    payload := json_build_object('operation', TG_OP, TG_ARGV[1], row_to_json(NEW))::text;
  END IF;
READABLE(payload)
  IF octet_length(payload) > 7999 THEN -- the key comes from the row, because a json column may hold what json operators refuse
    SELECT string_agg(format('%L, ($1).%I', a.attname, a.attname), ', ' ORDER BY a.attnum) INTO columns
      FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])
     WHERE i.indrelid = TG_RELID AND i.indisprimary;
    IF columns IS NOT NULL AND TG_OP = 'DELETE' THEN
      EXECUTE 'SELECT json_build_object(' || columns || ')' INTO key USING OLD;
    ELSIF columns IS NOT NULL THEN
      EXECUTE 'SELECT json_build_object(' || columns || ')' INTO key USING NEW;
    END IF;
    payload := json_build_object('operation', TG_OP, TG_ARGV[1], key, '_gateway_fetch', format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME))::text;
    IF octet_length(payload) > 7999 THEN -- the key itself is that long
      payload := json_build_object('operation', TG_OP, TG_ARGV[1], NULL, '_gateway_fetch', format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME))::text;
    END IF;
  END IF;
  PERFORM pg_notify(TG_ARGV[0], payload);
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'gateway: the row of this change of %.% was not notified: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, SQLERRM;
  BEGIN
    PERFORM pg_notify(TG_ARGV[0], json_build_object('operation', TG_OP, TG_ARGV[1], NULL, '_gateway_fetch', format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME))::text);
  EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'gateway: this change of %.% was not notified: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, SQLERRM;
  END;
  RETURN NULL;
END $gateway$;
REVOKE ALL ON FUNCTION FUNCTION_NAME() FROM PUBLIC;
