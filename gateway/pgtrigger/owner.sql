-- What runs with the owner's rights must belong to one role only: another role may have made this
-- schema, or a table in it, before.
DO $eventgateway_do$
DECLARE
  foreign_object text;
  its_owner text;
BEGIN
  SELECT o.what, pg_get_userbyid(o.owner) INTO foreign_object, its_owner FROM (
      SELECT 1 AS place, 'the schema gateway' AS what, nspowner AS owner FROM pg_namespace WHERE nspname = 'gateway'
      UNION ALL SELECT 2, 'the table or sequence gateway.' || relname, relowner FROM pg_class WHERE relnamespace = to_regnamespace('gateway') AND relkind NOT IN ('i', 'I')
      UNION ALL SELECT 3, 'the function gateway.' || proname, proowner FROM pg_proc WHERE pronamespace = to_regnamespace('gateway')) o
    WHERE pg_get_userbyid(o.owner) <> current_user ORDER BY o.place, o.what LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION '% belongs to the role "%", and not to "%"', foreign_object, its_owner, current_user
      USING HINT = format('Carry this out as %I (SET ROLE), or, where that role should not have it, drop it or give it to %I first.', its_owner, current_user);
  END IF;
END $eventgateway_do$;
