-- The lease of each leader: of several gateways, the holder captures. Only roles that may
-- write this table can lead. The term is a counter, which rises with every new leader.
CREATE TABLE IF NOT EXISTS gateway.leader (
  name    text PRIMARY KEY,
  holder  text NOT NULL, -- of one campaign
  term    bigint NOT NULL,
  expires timestamptz NOT NULL -- as the holder stored it last; a standby watches whether it changes
) WITH (fillfactor = 20);
