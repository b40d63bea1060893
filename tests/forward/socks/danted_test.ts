/** The same dialogues with this proxy and with Dante's, which many clients were tried with. */
import { deepEqual, equal } from "node:assert/strict";
import { closedPort, readExactly, Service, writeAll } from "../../fakes/sockets.ts";
import { Danted, isDantedInstalled } from "../../peers/danted.ts";
import { bytesOf, nameRequest, portBytes, ProxyStage } from "./proxy_stage.ts";

const isInstalled = await isDantedInstalled("the proxy's answers");

const forbidden = "127.0.0.9";

/** What a client says, first its greeting. */
interface Dialogue {
  readonly says: readonly string[];
  /** What this proxy answers on purpose where the other one answers something else. */
  readonly own?: Answer;
}

/** The method that was chosen, then the reply's code; shorter where the proxy ended before. */
type Answer = readonly number[];

async function answerOf(port: number, says: readonly string[]): Promise<Answer> {
  using client = await Deno.connect({ hostname: "127.0.0.1", port });
  const answer: number[] = [];
  for (const text of says) {
    await writeAll(client, bytesOf(text));
    // Both the choice of a method and the start of a reply have a version before their code.
    const start = await readExactly(client, 2).catch(() => undefined);
    if (start === undefined) return answer;
    equal(start[0], 5);
    answer.push(...start.subarray(1));
  }
  return answer;
}

function dialogues({ open, closed }: { open: number; closed: number }): Record<string, Dialogue> {
  const hello = "\x05\x01\x00";
  const request = (command: number, address: string, port: number) => [
    hello,
    `\x05${String.fromCharCode(command)}\x00${address}${portBytes(port)}`,
  ];
  const loopback = "\x01\x7f\x00\x00\x01";
  const loopbackOf6 = `\x04${"\x00".repeat(15)}\x01`;
  return {
    "one method": { says: [hello] },
    "several methods": { says: ["\x05\x02\x02\x00"] },
    "one method many times": { says: ["\x05\x03\x00\x00\x00"] },
    "255 methods, the last of which is known": { says: [`\x05\xff${"\x80".repeat(254)}\x00`] },
    "no method that is served": { says: ["\x05\x01\x02"] },
    "GSSAPI alone": { says: ["\x05\x01\x01"] },
    "no method": { says: ["\x05\x00"] },
    "CONNECT to IPv4": { says: request(1, loopback, open) },
    "CONNECT to a name": { says: [hello, nameRequest("localhost", open)] },
    "CONNECT where nothing listens": { says: request(1, loopback, closed) },
    "CONNECT to what is not allowed": { says: request(1, "\x01\x7f\x00\x00\x09", open) },
    "CONNECT to a name that leads nowhere": { says: [hello, nameRequest("no.invalid", 80)] },
    "CONNECT by IPv6 where nothing listens": {
      says: request(1, loopbackOf6, closed),
      // That one has no IPv6 here.
      own: [0, 5],
    },
    "CONNECT to an empty name": { says: request(1, "\x03\x00", 80), own: [0, 1] },
    "CONNECT to port 0": { says: request(1, loopback, 0), own: [0, 1] },
    "BIND": { says: request(2, loopback, open), own: [0, 7] },
    "UDP ASSOCIATE": { says: request(3, "\x01\x00\x00\x00\x00", 0) },
    // That one ends without a word.
    "a command that there is not": { says: request(4, loopback, open), own: [0, 7] },
    "a type of address that there is not": {
      says: request(1, "\x02\x7f\x00\x00\x01", open),
      own: [0, 8],
    },
  };
}

Deno.test("K2: danted and this proxy answer alike", { ignore: !isInstalled }, async (test) => {
  await using danted = await Danted.start({ forbidden });
  using service = Service.echo();
  const ports = { open: service.port, closed: closedPort() };
  await using stage = new ProxyStage({
    allowed: ["127.0.0.1:*", "[::1]:*", "localhost:*", "no.invalid:*"],
  });
  for (const [name, { says, own }] of Object.entries(dialogues(ports))) {
    await test.step(name, async () => {
      deepEqual(await answerOf(stage.port, says), own ?? await answerOf(danted.port, says));
    });
  }
});
