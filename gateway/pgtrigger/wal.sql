-- Changes in the write-ahead log (WAL), which the source postgres-wal reads by a replication slot. The
-- publication names the tables. A transaction of a user writes nothing more than WAL.
SET LOCAL search_path = pg_catalog, pg_temp;
SET LOCAL lock_timeout = '500ms'; -- shorter than deadlock_timeout: rather this fails than a user's write
DO $eventgateway_do$ BEGIN
  IF current_setting('wal_level') <> 'logical' THEN
    RAISE EXCEPTION 'wal_level is %, and the WAL has changes of rows only with logical', current_setting('wal_level')
      USING HINT = 'ALTER SYSTEM SET wal_level = logical, as a superuser, then restart the server. Hosted servers have a parameter for it, such as rds.logical_replication.';
  END IF;
END $eventgateway_do$;
OWNER_CHECK
DO $eventgateway_do$ BEGIN -- CREATE SCHEMA IF NOT EXISTS needs the right to make schemas, also where there is one
  IF to_regnamespace('gateway') IS NULL THEN
    CREATE SCHEMA gateway;
  END IF;
END $eventgateway_do$;
-- The position of the reader of each slot: all changes up to this one were delivered. A reader takes a
-- new token when it connects. Only the reader with the latest token may store its position.
CREATE TABLE IF NOT EXISTS gateway.wal_reader (
  slot     text PRIMARY KEY,
  token    bigint NOT NULL DEFAULT 0,
  history  text, -- that the position belongs to: system identifier/database/timeline
  commit   pg_lsn NOT NULL DEFAULT '0/0', -- of the transaction's commit record
  index    bigint NOT NULL DEFAULT 0, -- of the change in its transaction, from 1
  spooled  pg_lsn, -- the end of what the reader has spooled, if that is further
  snapshot json, -- how far existing rows were read, by table
  saved    timestamptz,
  moving   text, -- of a message in the WAL: after it the tables are captured by an outbox
  moved    timestamptz, -- since when every change before this message is delivered
  backfills text[] NOT NULL DEFAULT '{}' -- of messages in the WAL, each with a table whose rows are read again
) WITH (fillfactor = 20);
