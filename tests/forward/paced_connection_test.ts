import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { parseTarget } from "../../src/access/target.ts";
import { pacedConnection } from "../../src/forward/paced_connection.ts";
import { FakeConnection } from "../fakes/fake_connection.ts";
import { accessOf, certifiedPeer, policyOf } from "../fakes/policies.ts";
import { testBytes } from "../fakes/sockets.ts";

const allow = (bytes: number) => `[[rule]]\naction = "allow"\nlimit.bytes = ${bytes}\n`;
const usedUp = /the limit of 100000 bytes in all is used up/;

/** A connection that is paced by what this policy admits. */
async function pacedBy(policy: string) {
  const { access } = await accessOf(policy);
  const ended: string[] = [];
  const admission = access.admit({
    ...{ peer: certifiedPeer("anna"), wanted: parseTarget("db.internal:5432") },
    ...{ addresses: ["203.0.113.5"], end: (reason: string) => void ended.push(reason) },
  });
  if (!admission.isAllowed) throw new Error(admission.reason);
  const target = new FakeConnection();
  return { access, target, ended, connection: pacedConnection(target, admission.grant) };
}

Deno.test("what is read passes up to the limit of bytes exactly, and then it ends", async () => {
  const { target, connection, ended } = await pacedBy(allow(100_000));
  const bytes = testBytes(200_000);
  target.supply(bytes);
  const buffer = new Uint8Array(65_536);
  const passed: number[] = [];
  const readOn = async () => {
    const count = await connection.read(buffer) ?? 0;
    const start = passed.reduce((sum, each) => sum + each, 0);
    deepEqual(buffer.subarray(0, count), bytes.subarray(start, start + count));
    passed.push(count);
  };
  await readOn();
  await readOn();
  deepEqual(passed, [65_536, 34_464]);
  deepEqual(ended, []);
  await rejects(readOn(), usedUp);
  match(ended.join(), usedUp);
});

Deno.test("what is written passes up to the limit of bytes exactly, and then it ends", async () => {
  const { target, connection, ended } = await pacedBy(allow(100_000));
  const bytes = testBytes(150_000);
  await rejects(connection.write(bytes), usedUp);
  deepEqual(target.written, bytes.slice(0, 100_000));
  match(ended.join(), usedUp);
});

Deno.test("no byte is lost where the limit is raised before what was read may pass", async () => {
  const { access, target, connection, ended } = await pacedBy(allow(10));
  const bytes = testBytes(40);
  target.supply(bytes);
  const buffer = new Uint8Array(40);
  equal(await connection.read(buffer), 10);
  access.replace(await policyOf(allow(30)));
  equal(await connection.read(buffer.subarray(10)), 20);
  access.replace(await policyOf(allow(100)));
  equal(await connection.read(buffer.subarray(30)), 10);
  deepEqual(buffer, bytes);
  deepEqual(ended, []);
});
