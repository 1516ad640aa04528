-- The lease of each leader: of several gateways, the holder captures. Only roles that may
-- write this table can lead. The term is a counter, which rises with every new leader.
CREATE TABLE IF NOT EXISTS gateway.leader (
  name    text PRIMARY KEY,
  holder  text NOT NULL, -- random ID of the gateway that leads; empty: none
  term    bigint NOT NULL,
  pid     int NOT NULL, -- of the holder's session
  locked  boolean NOT NULL, -- whether that session has the advisory lock, too
  expires timestamptz NOT NULL -- a standby watches whether it changes, and does not compare clocks
) WITH (fillfactor = 20);
-- Roles that read the outbox lead, too.
DO $eventgateway_do$
DECLARE
  reader text;
BEGIN
  FOR reader IN
    SELECT DISTINCT quote_ident(r.rolname) FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a JOIN pg_roles r ON r.oid = a.grantee
     WHERE c.oid = to_regclass('gateway.outbox_reader') AND a.privilege_type = 'UPDATE' AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON gateway.leader TO %s', reader);
  END LOOP;
END $eventgateway_do$;
