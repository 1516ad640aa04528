-- Notifies a change of a row as {"operation": ..., FIELD: row}; the trigger's
-- arguments are the channel and FIELD. It cannot fail the write that it follows:
-- a payload over the 7,999 bytes that NOTIFY takes is sent with the primary key
-- only, marked by "_gateway_fetch", and the source postgres-notify fetches the row;
-- any other error becomes a warning.
CREATE OR REPLACE FUNCTION "public"."gateway_notify"() RETURNS trigger
LANGUAGE plpgsql AS $gateway$
DECLARE
  changed json;
  payload text;
BEGIN
  changed := CASE WHEN TG_OP = 'DELETE' THEN row_to_json(OLD) ELSE row_to_json(NEW) END;
  payload := json_build_object('operation', TG_OP, TG_ARGV[1], changed)::text;
  IF octet_length(payload) > 7999 THEN
    payload := json_build_object('operation', TG_OP, TG_ARGV[1],
      (SELECT json_object_agg(a.attname, changed -> a.attname::text)
         FROM pg_catalog.pg_index i
         JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = TG_RELID AND i.indisprimary),
      '_gateway_fetch', format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME))::text;
  END IF;
  IF octet_length(payload) > 7999 THEN -- the key itself is that long
    payload := json_build_object('operation', TG_OP, TG_ARGV[1], NULL,
      '_gateway_fetch', format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME))::text;
  END IF;
  PERFORM pg_notify(TG_ARGV[0], payload);
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'gateway: this change of %.% was not notified: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, SQLERRM;
  RETURN NULL;
END $gateway$;

DROP TRIGGER IF EXISTS gateway_notify ON "public"."orders";
CREATE TRIGGER gateway_notify AFTER INSERT OR UPDATE OR DELETE ON "public"."orders"
  FOR EACH ROW EXECUTE FUNCTION "public"."gateway_notify"('items_channel', 'order');
-- Notifies a change of a row as {"operation": ..., FIELD: row}; the trigger's
-- arguments are the channel and FIELD. It cannot fail the write that it follows:
-- a payload over the 7,999 bytes that NOTIFY takes is sent with the primary key
-- only, marked by "_gateway_fetch", and the source postgres-notify fetches the row;
-- any other error becomes a warning.
CREATE OR REPLACE FUNCTION "shop"."gateway_notify"() RETURNS trigger
LANGUAGE plpgsql AS $gateway$
DECLARE
  changed json;
  payload text;
BEGIN
  changed := CASE WHEN TG_OP = 'DELETE' THEN row_to_json(OLD) ELSE row_to_json(NEW) END;
  payload := json_build_object('operation', TG_OP, TG_ARGV[1], changed)::text;
  IF octet_length(payload) > 7999 THEN
    payload := json_build_object('operation', TG_OP, TG_ARGV[1],
      (SELECT json_object_agg(a.attname, changed -> a.attname::text)
         FROM pg_catalog.pg_index i
         JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = TG_RELID AND i.indisprimary),
      '_gateway_fetch', format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME))::text;
  END IF;
  IF octet_length(payload) > 7999 THEN -- the key itself is that long
    payload := json_build_object('operation', TG_OP, TG_ARGV[1], NULL,
      '_gateway_fetch', format('%I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME))::text;
  END IF;
  PERFORM pg_notify(TG_ARGV[0], payload);
  RETURN NULL;
EXCEPTION WHEN OTHERS THEN
  RAISE WARNING 'gateway: this change of %.% was not notified: %', TG_TABLE_SCHEMA, TG_TABLE_NAME, SQLERRM;
  RETURN NULL;
END $gateway$;

DROP TRIGGER IF EXISTS gateway_notify ON "shop"."Order Items";
CREATE TRIGGER gateway_notify AFTER INSERT OR UPDATE OR DELETE ON "shop"."Order Items"
  FOR EACH ROW EXECUTE FUNCTION "shop"."gateway_notify"('items_channel', 'order');
