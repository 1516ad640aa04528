-- The trace of the transaction that has written a change, from the setting eventgateway.traceparent. The table is locked
-- last, as writers do: they lock their own table before the outbox.
DO $eventgateway_do$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'gateway.outbox'::regclass AND attname = 'traceparent' AND NOT attisdropped) THEN
    ALTER TABLE gateway.outbox ADD COLUMN traceparent text;
  END IF;
END $eventgateway_do$;
