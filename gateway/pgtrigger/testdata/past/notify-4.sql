DO $gateway_c1fef7fa9c79b053$ DECLARE
  its_owner text;
BEGIN
  SELECT pg_catalog.pg_get_userbyid(p.proowner) INTO its_owner FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) 'public' AND p.proname OPERATOR(pg_catalog.=) 'gateway_notify' AND p.pronargs OPERATOR(pg_catalog.=) 0 AND pg_catalog.pg_get_userbyid(p.proowner) OPERATOR(pg_catalog.<>) current_user;
  IF FOUND THEN
    RAISE EXCEPTION 'the function % belongs to the role "%", and not to "%"', '"public"."gateway_notify"', its_owner, current_user
      USING HINT = 'Carry this out as that role (SET ROLE), or, where it should not have the function, drop it first.';
  END IF;
END $gateway_c1fef7fa9c79b053$;
-- Notifies a change of a row as {"operation": ..., FIELD: row}. The trigger's arguments are
-- the channel and FIELD. It does not fail the statement that it follows: a payload over the
-- 7,999 bytes that NOTIFY takes is sent with the primary key only, marked by "_gateway_fetch",
-- and the source postgres-notify fetches the row. Where anything else fails, there is a warning,
-- and the payload has the mark, and no key. PostgreSQL itself refuses PREPARE TRANSACTION after a
-- NOTIFY, and COMMIT while its notification queue is full. The function runs with the rights of
-- the role that writes. Its settings make a row the same text, whatever the session has set.
CREATE OR REPLACE FUNCTION "public"."gateway_notify"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres' SET bytea_output = 'hex' SET extra_float_digits = '1' SET lc_monetary = 'C' SET quote_all_identifiers = 'off'
AS $gateway$ -- eventgateway sql version 4
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
  -- In a database of another encoding a text may hold what UTF-8 cannot say, with which nothing would
  -- be sent to any client: a byte becomes the character of its number, and anything longer U+FFFD.
  IF getdatabaseencoding() <> 'UTF8' THEN
    DECLARE
      one text;
    BEGIN
      PERFORM convert_to(payload, 'UTF8');
    EXCEPTION WHEN untranslatable_character OR character_not_in_repertoire THEN
      FOR one IN SELECT DISTINCT c FROM regexp_split_to_table(payload, '') c WHERE get_byte(convert_to(c, getdatabaseencoding()), 0) > 127 LOOP
        BEGIN
          PERFORM convert_to(one, 'UTF8');
        EXCEPTION WHEN untranslatable_character OR character_not_in_repertoire THEN
          payload := replace(payload, one, concat(chr(92), 'u', CASE octet_length(one) WHEN 1 THEN lpad(to_hex(get_byte(convert_to(one, getdatabaseencoding()), 0)), 4, '0') ELSE 'fffd' END));
        END;
      END LOOP;
    END;
  END IF;
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
REVOKE ALL ON FUNCTION "public"."gateway_notify"() FROM PUBLIC;
DO $gateway_e75415a069849c4c$ DECLARE
  part pg_catalog.text;
  its_owner pg_catalog.text;
BEGIN
  PERFORM FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('"public"."orders"') AND c.relkind OPERATOR(pg_catalog.=) 'p';
  IF NOT FOUND THEN
    RETURN;
  END IF;
  LOCK TABLE "public"."orders" IN ACCESS EXCLUSIVE MODE;
  SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), o.rolname INTO part, its_owner
    FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass('"public"."orders"')) t
    JOIN pg_catalog.pg_partitioned_table p ON p.partrelid OPERATOR(pg_catalog.=) t.relid AND p.partexprs IS NOT NULL
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.relid
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) c.relowner
   WHERE NOT o.rolsuper AND o.rolname OPERATOR(pg_catalog.<>) current_user LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'the table % is partitioned by an expression, which could run code of its owner "%" with the rights of "%"', part, its_owner, current_user
      USING HINT = pg_catalog.format('Carry this out as its owner: SET ROLE %I.', its_owner);
  END IF;
END $gateway_e75415a069849c4c$;

DROP TRIGGER IF EXISTS gateway_notify ON "public"."orders";
CREATE TRIGGER gateway_notify AFTER INSERT OR UPDATE OR DELETE ON "public"."orders"
  FOR EACH ROW EXECUTE FUNCTION "public"."gateway_notify"('items_channel', 'order');
DO $gateway_0eeb2f7cba627cb7$ DECLARE
  its_owner text;
BEGIN
  SELECT pg_catalog.pg_get_userbyid(p.proowner) INTO its_owner FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) p.pronamespace
    WHERE n.nspname OPERATOR(pg_catalog.=) 'shop' AND p.proname OPERATOR(pg_catalog.=) 'gateway_notify' AND p.pronargs OPERATOR(pg_catalog.=) 0 AND pg_catalog.pg_get_userbyid(p.proowner) OPERATOR(pg_catalog.<>) current_user;
  IF FOUND THEN
    RAISE EXCEPTION 'the function % belongs to the role "%", and not to "%"', '"shop"."gateway_notify"', its_owner, current_user
      USING HINT = 'Carry this out as that role (SET ROLE), or, where it should not have the function, drop it first.';
  END IF;
END $gateway_0eeb2f7cba627cb7$;
-- Notifies a change of a row as {"operation": ..., FIELD: row}. The trigger's arguments are
-- the channel and FIELD. It does not fail the statement that it follows: a payload over the
-- 7,999 bytes that NOTIFY takes is sent with the primary key only, marked by "_gateway_fetch",
-- and the source postgres-notify fetches the row. Where anything else fails, there is a warning,
-- and the payload has the mark, and no key. PostgreSQL itself refuses PREPARE TRANSACTION after a
-- NOTIFY, and COMMIT while its notification queue is full. The function runs with the rights of
-- the role that writes. Its settings make a row the same text, whatever the session has set.
CREATE OR REPLACE FUNCTION "shop"."gateway_notify"() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, MDY' SET intervalstyle = 'postgres' SET bytea_output = 'hex' SET extra_float_digits = '1' SET lc_monetary = 'C' SET quote_all_identifiers = 'off'
AS $gateway$ -- eventgateway sql version 4
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
  -- In a database of another encoding a text may hold what UTF-8 cannot say, with which nothing would
  -- be sent to any client: a byte becomes the character of its number, and anything longer U+FFFD.
  IF getdatabaseencoding() <> 'UTF8' THEN
    DECLARE
      one text;
    BEGIN
      PERFORM convert_to(payload, 'UTF8');
    EXCEPTION WHEN untranslatable_character OR character_not_in_repertoire THEN
      FOR one IN SELECT DISTINCT c FROM regexp_split_to_table(payload, '') c WHERE get_byte(convert_to(c, getdatabaseencoding()), 0) > 127 LOOP
        BEGIN
          PERFORM convert_to(one, 'UTF8');
        EXCEPTION WHEN untranslatable_character OR character_not_in_repertoire THEN
          payload := replace(payload, one, concat(chr(92), 'u', CASE octet_length(one) WHEN 1 THEN lpad(to_hex(get_byte(convert_to(one, getdatabaseencoding()), 0)), 4, '0') ELSE 'fffd' END));
        END;
      END LOOP;
    END;
  END IF;
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
REVOKE ALL ON FUNCTION "shop"."gateway_notify"() FROM PUBLIC;
DO $gateway_fee29bdf4d6c1606$ DECLARE
  part pg_catalog.text;
  its_owner pg_catalog.text;
BEGIN
  PERFORM FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass('"shop"."Order Items"') AND c.relkind OPERATOR(pg_catalog.=) 'p';
  IF NOT FOUND THEN
    RETURN;
  END IF;
  LOCK TABLE "shop"."Order Items" IN ACCESS EXCLUSIVE MODE;
  SELECT pg_catalog.format('%I.%I', n.nspname, c.relname), o.rolname INTO part, its_owner
    FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass('"shop"."Order Items"')) t
    JOIN pg_catalog.pg_partitioned_table p ON p.partrelid OPERATOR(pg_catalog.=) t.relid AND p.partexprs IS NOT NULL
    JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) t.relid
    JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
    JOIN pg_catalog.pg_roles o ON o.oid OPERATOR(pg_catalog.=) c.relowner
   WHERE NOT o.rolsuper AND o.rolname OPERATOR(pg_catalog.<>) current_user LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'the table % is partitioned by an expression, which could run code of its owner "%" with the rights of "%"', part, its_owner, current_user
      USING HINT = pg_catalog.format('Carry this out as its owner: SET ROLE %I.', its_owner);
  END IF;
END $gateway_fee29bdf4d6c1606$;

DROP TRIGGER IF EXISTS gateway_notify ON "shop"."Order Items";
CREATE TRIGGER gateway_notify AFTER INSERT OR UPDATE OR DELETE ON "shop"."Order Items"
  FOR EACH ROW EXECUTE FUNCTION "shop"."gateway_notify"('items_channel', 'order');
