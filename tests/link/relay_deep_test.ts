/** A relay that is held for minutes at a coturn that forgets soon. */
import { deepEqual } from "node:assert/strict";
import { isCoturnInstalled } from "../peers/coturn.ts";
import { Client, serverAt, until, wait, withCoturn } from "./relay_stage.ts";

const hasCoturn = await isCoturnInstalled("a relay that is held for minutes");

Deno.test(
  "relays outlive stale nonces and short lifetimes for three minutes, and carry all the while",
  { ignore: !hasCoturn },
  () =>
    withCoturn({ args: ["--stale-nonce=5", "--max-allocate-lifetime=60"] }, async (coturn) => {
      const [one, other] = [new Client(serverAt(coturn.port)), new Client(serverAt(coturn.port))];
      const [from, to] = await Promise.all([one.allocated(), other.allocated()]);
      one.relay.permit(to.relayed);
      other.relay.permit(from.relayed);
      const received: number[] = [];
      other.handleDatagram = (_, bytes) => received.push(bytes[1] ?? 0);
      for (let second = 0; second < 180; second++) {
        // What is lost on the way is sent again: UDP on loopback loses little.
        await until(() => {
          one.relay.send(Uint8Array.of(0x17, second), 0, 2, 2, to.relayed);
          return received.at(-1) === second;
        });
        await wait(1_000);
      }
      deepEqual([one.failureCount, other.failureCount], [0, 0]);
      await Promise.all([one.relay.close(), other.relay.close()]);
    }),
);
