-- The lease of each leader: of several gateways, the holder captures. Only roles that may
-- write this table can lead. The term is a counter, which rises with every new leader.
CREATE TABLE IF NOT EXISTS gateway.leader (
  name    text PRIMARY KEY,
  holder  text NOT NULL, -- of one campaign; '': none
  term    bigint NOT NULL,
  pid     int NOT NULL, -- of the holder's session
  locked  boolean NOT NULL, -- whether that session has the advisory lock, too
  expires timestamptz NOT NULL -- a standby watches whether it changes, and does not compare clocks
) WITH (fillfactor = 20);
