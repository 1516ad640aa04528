// A React hook that shows the rows of a table as they change:
//
//     const rows = useRows(client, { snapshot: "orders", filter: "new.amount > 100" });
//
// The gateway reads the table by postgres-outbox with `output: change`.
import { parse } from "eventgateway-client";
import { useMemo, useSyncExternalStore } from "react";

export function useRows(client, request, keyOf = (row) => row.id) {
  const text = JSON.stringify(request); // a component may make the object anew
  const store = useMemo(() => rowStore(client, JSON.parse(text), keyOf), [client, text]);
  return useSyncExternalStore(store.subscribe, store.rows);
}

function rowStore(client, request, keyOf) {
  const byKey = new Map();
  let rows = []; // a new array after each change, as React needs it
  return {
    rows: () => rows,
    subscribe(changed) {
      const show = () => { rows = [...byKey.values()]; changed(); };
      const put = ({ operation, old, new: row }) => {
        if (operation === "TRUNCATE") byKey.clear();
        if (old) byKey.delete(keyOf(old));
        if (row) byKey.set(keyOf(row), row);
      };
      const subscription = client.subscribe(request, {
        onSnapshot: (payloads) => { byKey.clear(); payloads.forEach((payload) => put(parse(payload))); show(); },
        onMessage: (payload) => { put(parse(payload)); show(); },
        onLeave: ({ old }) => { put({ old }); show(); },
      });
      return () => subscription.close();
    },
  };
}
