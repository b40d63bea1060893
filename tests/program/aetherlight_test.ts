/** Nodes that meet at a signaling server, as real processes on real sockets. */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import net from "node:net";
import { RTCPeerConnection } from "werift";
import { joinByPaste, type LogLine, type NodeProcess } from "../../demo/node_process.ts";
import { certCommand } from "../../src/cli/cert_command.ts";
import { publicKeyOf, readAuthorityFiles } from "../../src/identity/authority_files.ts";
import { createPrivateKey, issueNodeCertificate } from "../../src/identity/issue.ts";
import { loadNodeIdentity, type NodeIdentity } from "../../src/identity/node_identity.ts";
import { readPem, writePem } from "../../src/identity/pem.ts";
import {
  parseSessionDescription,
  writeSessionDescription,
} from "../../src/link/session_description.ts";
import { openEgressSession } from "../../src/signaling/aetherlight_client.ts";
import { sealEnvelope } from "../../src/signaling/envelope.ts";
import { PastedTextReader, writePastedText } from "../../src/signaling/pasted_text.ts";
import { tcpProtocol } from "../../src/tunnel/tunnel_stream.ts";
import {
  authorityParts,
  buildCertificate,
  type TestKey,
  testKey,
} from "../identity/certificate_builder.ts";
import { AetherlightStage, eventCount } from "./aetherlight_stage.ts";
import { runProgram } from "./run_program.ts";
import {
  digestThen,
  echo,
  exchange,
  freePort,
  randomPayload,
  serve,
  sha256,
} from "./local_service.ts";

const hour = 3_600_000;
const isPosix = Deno.build.os !== "windows";
const text = (value: string) => new TextEncoder().encode(value);

/** Sends a text through a forward; what comes back. */
async function ask(port: number, value = "hello"): Promise<string> {
  return String(await exchange({ port, payload: text(value) }));
}

/** Says its name to whoever comes. */
function saying(name: string): (socket: net.Socket) => void {
  return (socket) => socket.resume().end(name);
}

/** A connection that stays open: each text said is awaited from the other end. */
class Conversation implements Disposable {
  readonly #socket: net.Socket;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on("error", () => {});
  }

  static async open(port: number): Promise<Conversation> {
    const conversation = new Conversation(net.connect({ port, host: "127.0.0.1" }));
    assert.equal(await conversation.say("hello"), "hello");
    return conversation;
  }

  async say(value: string): Promise<string> {
    const answered = new Promise<string>((resolve, reject) => {
      this.#socket.once("data", (bytes) => resolve(String(bytes)));
      this.#socket.once("close", () => reject(new Error("the connection has ended")));
    });
    this.#socket.write(value);
    return await answered;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

/** Why a message was refused. */
async function refusalAt(node: NodeProcess): Promise<string> {
  const { reason, message } = await node.event("signal-refused");
  assert.ok(!message.includes("\n"));
  return String(reason);
}

/** Bad usage or input: one line on stderr, exit code 2. */
async function assertBadInput(args: readonly string[], problem: RegExp): Promise<void> {
  const { code, stdout, stderr } = await runProgram([...args, "--ice-server", "none"]);
  assert.match(stderr, problem);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.equal(stderr.trimEnd().split("\n").length, 1, stderr);
}

Deno.test("carries both directions exactly, with half-close", async () => {
  const [up, down] = [randomPayload(4_000_000), randomPayload(3_000_000)];
  await using service = await serve(digestThen(down));
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const far = await stage.ingress({ name: "far", at, target });
  const near = await stage.egress({ name: "near", url: far.url, target });
  const reply = await exchange({ port: near.port, payload: up });
  assert.equal(reply.subarray(0, 64).toString(), sha256(up));
  assert.equal(sha256(reply.subarray(64)), sha256(down));
  const links = await Promise.all([near.node.event("link-up"), far.node.event("link-up")]);
  assert.deepEqual(links.map(({ peer }) => peer), ["far", "near"]);
});

Deno.test("stdout carries the ingress URL alone, the same after every start", async () => {
  await using stage = await AetherlightStage.open("far");
  const { url: at } = await stage.server();
  const { keyId } = await stage.show("far");
  for (let start = 0; start < 2; start++) {
    const { node, url } = await stage.ingress({ name: "far", at, target: "127.0.0.1:9" });
    assert.equal(url, `${at}/ingresses/${keyId}`);
    assert.equal((await node.stop()).code, 0);
    await assert.rejects(node.nextText(), /ended before another text/);
  }
});

Deno.test("two egress nodes call one ingress", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near1", "near2", "far");
  const { url: at } = await stage.server();
  const far = await stage.ingress({ name: "far", at, target });
  const both = await Promise.all(
    ["near1", "near2"].map((name) => stage.egress({ name, url: far.url, target })),
  );
  assert.deepEqual(await Promise.all(both.map(({ port }) => ask(port))), ["hello", "hello"]);
  const peers = [await far.node.event("link-up"), await far.node.event("link-up", 2)];
  assert.deepEqual(new Set(peers.map(({ peer }) => peer)), new Set(["near1", "near2"]));
});

Deno.test("a node waits and calls at once", async () => {
  await using farService = await serve(saying("far"));
  await using middleService = await serve(saying("middle"));
  const [farTarget, middleTarget] = [farService, middleService].map(({ port }) =>
    `127.0.0.1:${port}`
  ) as [string, string];
  await using stage = await AetherlightStage.open("near", "middle", "far");
  const { url: at } = await stage.server();
  const far = await stage.ingress({ name: "far", at, target: farTarget });
  const port = freePort();
  const middle = stage.node(
    ...stage.identityFlags("middle"),
    ...["--aetherlight-base-url", at, "--allow", middleTarget],
    ...["--aetherlight-ingress-url", far.url, "--forward", `127.0.0.1:${port}:${farTarget}`],
  );
  const url = await middle.nextText();
  await Promise.all([middle.event("waiting"), middle.event("listening")]);
  const near = await stage.egress({ name: "near", url, target: middleTarget });
  assert.equal(await ask(near.port), "middle");
  assert.equal(await ask(port), "far");
});

Deno.test("each forward goes to the ingress URL before it", async () => {
  await using serviceA = await serve(saying("a"));
  await using serviceB = await serve(saying("b"));
  const [targetA, targetB] = [`127.0.0.1:${serviceA.port}`, `127.0.0.1:${serviceB.port}`];
  await using stage = await AetherlightStage.open("near", "a", "b");
  const { url: at } = await stage.server();
  const a = await stage.ingress({ name: "a", at, target: targetA });
  const b = await stage.ingress({ name: "b", at, target: targetB });
  const [portA, portB, astray] = [freePort(), freePort(), freePort()];
  const near = stage.node(
    ...stage.identityFlags("near"),
    ...["--aetherlight-ingress-url", a.url, "--forward", `127.0.0.1:${portA}:${targetA}`],
    ...["--aetherlight-ingress-url", b.url, "--forward", `127.0.0.1:${portB}:${targetB}`],
    ...["--forward", `127.0.0.1:${astray}:${targetA}`],
  );
  await near.event("listening", 3);
  assert.equal(await ask(portA), "a");
  assert.equal(await ask(portB), "b");
  await assert.rejects(ask(astray), /ECONNRESET/);
  assert.equal((await near.event("refused")).target, targetA);
  assert.equal(eventCount(a.node, "refused"), 0);
});

Deno.test("an ingress at one server is called through another over the same file", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  const kv = stage.path("aetherlight.sqlite3");
  const [first, second] = [await stage.server({ kv }), await stage.server({ kv })];
  const far = await stage.ingress({ name: "far", at: first.url, target });
  const url = far.url.replace(first.url, second.url);
  assert.notEqual(url, far.url);
  const near = await stage.egress({ name: "near", url, target });
  assert.equal(await ask(near.port), "hello");
});

Deno.test("without a CA, a key that is named is let in and another is not", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("listed", "unlisted", "far");
  const { url: at } = await stage.server();
  const { keyId } = await stage.show("listed");
  const identity = [...stage.keyFlags("far"), "--allow-peer", keyId];
  const far = await stage.ingress({ name: "far", at, target, identity });
  const call = (name: string) =>
    stage.egress({ name, url: far.url, target, identity: stage.keyFlags(name) });
  const unlisted = await call("unlisted");
  assert.match(await refusalAt(far.node), /the key [a-z2-7]{52} is not allowed/);
  assert.equal(await ask((await call("listed")).port), "hello");
  for (const event of ["link-up", "link-failed", "signal-refused"]) {
    assert.equal(eventCount(unlisted.node, event), 0, event);
  }
});

Deno.test("one call of a node that is not accepted is one line at the ingress", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  await stage.generate("stranger", { authority: "other-" });
  const { url: at } = await stage.server();
  const far = await stage.ingress({ name: "far", at, target });
  await stage.egress({ name: "stranger", url: far.url, target });
  await refusalAt(far.node);
  // Whatever belongs to the first call is dealt with before the second one is answered.
  const near = await stage.egress({ name: "near", url: far.url, target });
  assert.equal(await ask(near.port), "hello");
  assert.equal(eventCount(far.node, "signal-refused"), 1);
});

Deno.test("an egress of another CA is refused at the ingress, and harms no link", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  await stage.generate("stranger", { authority: "other-" });
  const { url: at } = await stage.server();
  const far = await stage.ingress({ name: "far", at, target });
  const near = await stage.egress({ name: "near", url: far.url, target });
  using conversation = await Conversation.open(near.port);
  const stranger = await stage.egress({ name: "stranger", url: far.url, target });
  assert.match(
    await refusalAt(far.node),
    /its sender is not accepted: no trusted authority issued the certificate/,
  );
  assert.equal(await conversation.say("still here"), "still here");
  assert.equal(eventCount(stranger.node, "link-up"), 0);
});

Deno.test("an ingress of another CA is refused at the egress", async () => {
  await using stage = await AetherlightStage.open("near");
  await stage.generate("stranger", { authority: "other-" });
  const { url: at } = await stage.server();
  const target = "127.0.0.1:9";
  const both = ["cacert.pem", "other-cacert.pem"];
  const identity = stage.identityFlags("stranger", both);
  const stranger = await stage.ingress({ name: "stranger", at, target, identity });
  const near = await stage.egress({ name: "near", url: stranger.url, target });
  assert.match(
    await refusalAt(near.node),
    /its sender is not accepted: no trusted authority issued the certificate/,
  );
  assert.equal(eventCount(near.node, "link-up"), 0);
});

Deno.test("one file of several authorities trusts the nodes of each", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near");
  await stage.generate("far", { authority: "other-" });
  const files = ["cacert.pem", "other-cacert.pem"].map((file) => stage.path(file));
  const certificates = files.map((file) => Deno.readTextFileSync(file));
  Deno.writeTextFileSync(stage.path("both.pem"), certificates.join("\n"));
  const { url: at } = await stage.server();
  const identity = (name: string) => stage.identityFlags(name, ["both.pem"]);
  const far = await stage.ingress({ name: "far", at, target, identity: identity("far") });
  const near = await stage.egress({
    name: "near",
    url: far.url,
    target,
    identity: identity("near"),
  });
  assert.equal(await ask(near.port), "hello");
});

Deno.test("nodes of an authority below the trusted one are let in", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open();
  const root = { name: "root", key: testKey() };
  const middle = { name: "middle", key: testKey(), signer: root };
  writeCertificate(stage.path("root.pem"), buildCertificate(authorityParts(root)));
  writeCertificate(stage.path("middle-cacert.pem"), buildCertificate(authorityParts(middle)));
  writeKey(stage.path("middle-cakey.pem"), middle.key);
  await stage.generate("near", { authority: "middle-" });
  await stage.generate("far", { authority: "middle-" });
  const identity = (name: string) => stage.identityFlags(name, ["root.pem"]);
  const { url: at } = await stage.server();
  const far = await stage.ingress({ name: "far", at, target, identity: identity("far") });
  const near = await stage.egress({
    name: "near",
    url: far.url,
    target,
    identity: identity("near"),
  });
  await assertLinked(near.node);
  assert.equal(await ask(near.port), "hello");
});

/** Throws the reason where the first link that is tried fails. */
async function assertLinked(node: NodeProcess): Promise<void> {
  const failed = node.event("link-failed").then(({ message }) => assert.fail(message));
  failed.catch(() => {
    // The process may end without a failure.
  });
  await Promise.race([node.event("link-up"), failed]);
}

function writeCertificate(path: string, der: Uint8Array): void {
  Deno.writeTextFileSync(path, writePem({ label: "CERTIFICATE", der }));
}

function writeKey(path: string, { privateKey }: TestKey): void {
  const pem = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  Deno.writeTextFileSync(path, pem, { mode: 0o600 });
}

/** Makes a node's certificate, and its authority's, as if it were another time. */
async function generateAt(
  stage: AetherlightStage,
  { name, now, authority, duration }: {
    readonly name: string;
    readonly now: number;
    readonly authority: string;
    readonly duration: string;
  },
): Promise<void> {
  const { keyPath, certPath } = stage.files(name);
  const command = certCommand({ now: () => now, printNote: () => {} });
  const own = ["--name", name, "--key", keyPath, "--cert", certPath, "--duration", duration];
  await command.parseAsync(["generate", ...own, ...stage.authorityFlags(authority)], {
    from: "user",
  });
}

Deno.test("a node does not start with a certificate that has ended", async () => {
  await using stage = await AetherlightStage.open();
  const now = Date.now() - 48 * hour;
  await generateAt(stage, { name: "late", now, authority: "old-", duration: "1h" });
  await assertBadInput([
    ...stage.identityFlags("late", ["old-cacert.pem"]),
    ...["--aetherlight-base-url", "http://127.0.0.1:9", "--allow", "127.0.0.1:9"],
  ], /the certificate of "late" ended on .*; run "aetherport cert re-sign --cert \S+ --force"/);
});

Deno.test("an egress whose certificate has ended is refused at the ingress", async () => {
  await using stage = await AetherlightStage.open();
  const now = Date.now() - 48 * hour;
  await generateAt(stage, { name: "late", now, authority: "old-", duration: "1h" });
  await generateAt(stage, { name: "far", now, authority: "old-", duration: "999h" });
  const { url: at } = await stage.server();
  const identity = stage.identityFlags("far", ["old-cacert.pem"]);
  const far = await stage.ingress({ name: "far", at, target: "127.0.0.1:9", identity });
  await postOffer(
    far.url,
    await loadNodeIdentity(stage.files("late"), now).catch(() => {
      const caPaths = [stage.path("old-cacert.pem")];
      return loadNodeIdentity({ ...stage.files("late"), caPaths }, now);
    }),
  );
  assert.match(await refusalAt(far.node), /the certificate of "late" ended on/);
});

/** Posts an offer as an egress with this identity would. */
async function postOffer(
  ingressUrl: string,
  identity: NodeIdentity,
): Promise<void> {
  const session = await openEgressSession({ ingressUrl, onReply: () => {} });
  const content = { sessionId: session.id, direction: "egress-to-ingress", type: "offer" } as const;
  const receiver = { keyId: session.ingressId, publicKey: session.publicKeySpki };
  const sealed = await sealEnvelope({ ...content, sequence: 0, body: "v=0" }, {
    ...{ identity, receiver },
    now: Date.now(),
  });
  await session.post(sealed);
  await session.close();
}

Deno.test("a node of a CA that has ended is refused", async () => {
  await using stage = await AetherlightStage.open("far");
  const now = Date.now() - 48 * hour;
  const caFlags = stage.authorityFlags("old-");
  const command = certCommand({ now: () => now, printNote: () => {} });
  await command.parseAsync(["generate-ca", ...caFlags, "--duration", "1h"], { from: "user" });
  await issueBeyondItsCa(stage, { name: "near", now });
  const { url: at } = await stage.server();
  const identity = stage.identityFlags("far", ["cacert.pem", "old-cacert.pem"]);
  const target = "127.0.0.1:9";
  const far = await stage.ingress({ name: "far", at, target, identity });
  await stage.egress({ name: "near", url: far.url, target });
  assert.match(await refusalAt(far.node), /the certificate of "aetherport-ca-\w+" ended on/);
});

/** Issues a node's certificate that ends after its CA, which `cert` does not do. */
async function issueBeyondItsCa(
  stage: AetherlightStage,
  { name, now }: { readonly name: string; readonly now: number },
): Promise<void> {
  const [, keyPath = "", , certPath = ""] = stage.authorityFlags("old-");
  const { authority } = await readAuthorityFiles({ keyPath, certPath }, now);
  const key = createPrivateKey();
  const certificate = await issueNodeCertificate({
    authority,
    spki: publicKeyOf(key),
    names: { name, labels: new Map() },
    validity: { now, notAfter: Date.now() + 48 * hour },
  });
  writeCertificate(stage.files(name).certPath, certificate.der);
  const pem = key.export({ type: "pkcs8", format: "pem" }).toString();
  Deno.writeTextFileSync(stage.files(name).keyPath, pem, { mode: 0o600 });
}

Deno.test("a certificate whose signature was tampered with is refused at the other node", async () => {
  await using stage = await AetherlightStage.open("near", "far");
  tamper(stage.files("near").certPath, (der) => der[der.length - 1] = (der.at(-1) ?? 0) ^ 1);
  const { url: at } = await stage.server();
  const target = "127.0.0.1:9";
  const far = await stage.ingress({ name: "far", at, target });
  const near = await stage.egress({ name: "near", url: far.url, target });
  assert.match(
    await refusalAt(far.node),
    /its sender is not accepted: the certificate of "near" is not signed by/,
  );
  assert.equal(eventCount(near.node, "link-up"), 0);
});

/** Changes a certificate file's bytes. */
function tamper(path: string, change: (der: Uint8Array) => void): void {
  const [block] = readPem(Deno.readTextFileSync(path));
  assert.ok(block !== undefined);
  const der = new Uint8Array(block.der);
  change(der);
  writeCertificate(path, der);
}

Deno.test("identity files that cannot be used end the program with 2 and what to do", async (t) => {
  await using stage = await AetherlightStage.open("one", "two");
  const rest = ["--aetherlight-base-url", "http://127.0.0.1:9", "--allow", "127.0.0.1:9"];
  const [one, two] = [stage.files("one"), stage.files("two")];
  await t.step("the key of another node", async () => {
    const args = [
      "--key",
      two.keyPath,
      "--cert",
      one.certPath,
      "--cacert",
      stage.path("cacert.pem"),
    ];
    await assertBadInput([...args, ...rest], /do not belong together: give the key that/);
  });
  await t.step({
    name: "a key that others can read",
    ignore: !isPosix,
    fn: async () => {
      await Deno.chmod(two.keyPath, 0o644);
      const problem = /can be read by others \(mode 0644\): run "chmod 600 \S+two-key.pem"/;
      await assertBadInput([...stage.identityFlags("two"), ...rest], problem);
    },
  });
  await t.step("a key that is not there", async () => {
    const args = ["--key", stage.path("none.pem"), "--cert", one.certPath];
    const peer = ["--allow-peer", (await stage.show("one")).keyId];
    await assertBadInput(
      [...args, ...peer, ...rest],
      /no such file; make one with "aetherport cert/,
    );
  });
  await t.step("a certificate whose name was changed", async () => {
    tamper(one.certPath, (der) => {
      const at = der.findIndex((_, start) =>
        text("one").every((byte, n) => der[start + n] === byte)
      );
      assert.ok(at > 0);
      der.set(text("two"), at);
    });
    await assertBadInput([...stage.identityFlags("one"), ...rest], /common name is not the node's/);
  });
});

Deno.test("flags that do not go together end the program with 2 and what to do", async (t) => {
  await using stage = await AetherlightStage.open("one");
  const [base, id] = ["http://127.0.0.1:9", "a".repeat(52)];
  const [wait, allow] = [["--aetherlight-base-url", base], ["--allow", "127.0.0.1:9"]];
  const call = ["--aetherlight-ingress-url", `${base}/ingresses/${id}`];
  const forward = ["--forward", "127.0.0.1:0:127.0.0.1:9"];
  const identity = stage.identityFlags("one");
  const whatToRun =
    /aetherlight needs --key and --cert: run "aetherport cert generate --name <name>"/;
  const cases: { name: string; args: readonly string[]; problem: RegExp }[] = [
    { name: "a base URL without a key", args: [...wait, ...allow], problem: whatToRun },
    { name: "an ingress URL without a key", args: [...call, ...forward], problem: whatToRun },
    {
      name: "a key without a certificate",
      args: ["--key", stage.files("one").keyPath, ...wait, ...allow],
      problem: /--key needs --cert: run "aetherport cert generate/,
    },
    {
      name: "authorities without a key",
      args: ["--cacert", stage.path("cacert.pem"), ...allow],
      problem: /--cacert needs --key and --cert: run "aetherport cert generate/,
    },
    {
      name: "aetherlight without a URL",
      args: ["--signal-type", "aetherlight", ...identity, ...allow],
      problem: /needs --aetherlight-base-url .* or --aetherlight-ingress-url/,
    },
    {
      name: "tty with a URL",
      args: ["--signal-type", "tty", ...identity, ...wait, ...allow],
      problem: /--signal-type tty excludes/,
    },
    {
      name: "an ingress that could let nobody in",
      args: [...stage.keyFlags("one"), ...wait, ...allow],
      problem: /no node could be let in: give --cacert, or --allow-peer/,
    },
    {
      name: "a forward before any of several ingress URLs",
      args: [...identity, ...forward, ...call, ...call],
      problem: /each --forward, --reverse, --socks and --stdio stands after/,
    },
    {
      name: "a peer that is no key id",
      args: [...stage.keyFlags("one"), "--allow-peer", "near", ...wait, ...allow],
      problem: /--allow-peer "near" is not a key id: "aetherport cert show" prints/,
    },
    {
      name: "a base URL that is none",
      args: [...identity, "--aetherlight-base-url", "light.example.org", ...allow],
      problem: /"light.example.org" is not a signaling server's base URL: write it like/,
    },
    {
      name: "an ingress URL that is none",
      args: [...identity, "--aetherlight-ingress-url", base, ...forward],
      problem: /is not an ingress URL: copy what the ingress prints/,
    },
  ];
  for (const { name, args, problem } of cases) {
    await t.step(name, () => assertBadInput(args, problem));
  }
});

Deno.test("an ingress that is not there is one line, and is called until it comes", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const url = `${at}/ingresses/${(await stage.show("far")).keyId}`;
  const near = await stage.egress({ name: "near", url, target });
  const { message } = await near.node.event("call-failed");
  assert.ok(message.endsWith(`no ingress waits at ${url}: start it, or check the id`), message);
  await stage.ingress({ name: "far", at, target });
  assert.equal(await ask(near.port), "hello");
  assert.equal(eventCount(near.node, "call-failed"), 1);
});

Deno.test("--exit-on-failure ends an egress with 1 where no ingress waits", async () => {
  await using stage = await AetherlightStage.open("near");
  const { url: at } = await stage.server();
  const url = `${at}/ingresses/${(await stage.show("near")).keyId}`;
  const { code, stderr } = await runProgram([
    ...stage.identityFlags("near"),
    ...["--aetherlight-ingress-url", url, "--forward", "127.0.0.1:0:127.0.0.1:9"],
    ...["--exit-on-failure", "--ice-server", "none", "--quiet"],
  ]);
  assert.deepEqual([code, stderr.trimEnd().split("\n").length], [1, 1]);
  assert.match(stderr, /no ingress waits at/);
});

Deno.test("an ingress that was killed serves new connections once it is started again", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const killed = await stage.ingress({ name: "far", at, target });
  const near = await stage.egress({ name: "near", url: killed.url, target });
  assert.equal(await ask(near.port), "hello");
  killed.node.kill("SIGKILL");
  const far = await stage.ingress({ name: "far", at, target });
  assert.equal(far.url, killed.url);
  // What was sent before the silence was noticed is lost, and its connection reset.
  const answer = await ask(near.port).catch(() => ask(near.port));
  assert.equal(answer, "hello");
});

Deno.test("links outlive their server, and its successor makes new ones", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near1", "near2", "far");
  const server = await stage.server();
  const far = await stage.ingress({ name: "far", at: server.url, target });
  const near1 = await stage.egress({ name: "near1", url: far.url, target });
  using conversation = await Conversation.open(near1.port);
  await server.end("SIGKILL");
  assert.match((await far.node.event("signal-lost")).message, /cannot wait at \S+, trying on: /);
  assert.equal(await conversation.say("still here"), "still here");
  assert.equal(await ask(near1.port), "hello");
  await stage.server({ port: server.port });
  await far.node.event("waiting", 2);
  const near2 = await stage.egress({ name: "near2", url: far.url, target });
  assert.equal(await ask(near2.port), "hello");
  assert.equal(await conversation.say("and still"), "and still");
});

Deno.test("an egress that begins before its server is there is linked once it is", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  const port = freePort();
  const at = `http://127.0.0.1:${port}`;
  const far = stage.node(
    ...stage.identityFlags("far"),
    ...["--aetherlight-base-url", at, "--allow", target],
  );
  const near = await stage.egress({ name: "near", url: await far.nextText(), target });
  await Promise.all([far.event("signal-lost"), near.node.event("call-failed")]);
  await stage.server({ port });
  await near.node.event("link-up");
  assert.equal(await ask(near.port), "hello");
});

for (const first of ["ingress", "egress"] as const) {
  Deno.test(`SIGTERM ends the ${first} in order, and then the other node`, async () => {
    await using service = await serve(echo);
    const target = `127.0.0.1:${service.port}`;
    await using stage = await AetherlightStage.open("near", "far");
    const { url: at } = await stage.server();
    const far = await stage.ingress({ name: "far", at, target });
    const near = await stage.egress({ name: "near", url: far.url, target });
    assert.equal(await ask(near.port), "hello");
    await far.node.event("link-up");
    const [one, other] = first === "ingress" ? [far.node, near.node] : [near.node, far.node];
    assert.equal((await one.stop()).code, 0);
    assert.match(String((await other.event("link-down")).reason), /the other node closed the link/);
    assert.equal((await other.stop()).code, 0);
    assert.ok([one, other].every(({ log }) => log.every(isExpected)));
  });
}

/** Neither a fault of the program nor a stack trace. */
function isExpected({ event, message }: LogLine): boolean {
  return event !== undefined && event !== "unexpected" && !message.includes("\n");
}

Deno.test("an ingress that ended in order is not called any more", async () => {
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const far = await stage.ingress({ name: "far", at, target: "127.0.0.1:9" });
  await far.node.stop();
  const near = await stage.egress({ name: "near", url: far.url, target: "127.0.0.1:9" });
  assert.match((await near.node.event("call-failed")).message, /no ingress waits/);
});

Deno.test("pasted nodes with certificates log each other's names", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  const port = freePort();
  const near = stage.node(
    ...stage.identityFlags("near"),
    ...["--forward", `127.0.0.1:${port}:${target}`],
  );
  const far = stage.node(...stage.identityFlags("far"), "--allow", target);
  await joinByPaste(near, far);
  const links = await Promise.all([near.event("link-up"), far.event("link-up")]);
  assert.deepEqual(links.map(({ peer }) => peer), ["far", "near"]);
  assert.equal(await ask(port), "hello");
});

Deno.test("a pasted node of another CA is refused with the reason, and harms no link", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  await stage.generate("stranger", { authority: "other-" });
  const port = freePort();
  const forward = (port: number) => ["--forward", `127.0.0.1:${port}:${target}`];
  const near = stage.node(...stage.identityFlags("near"), ...forward(port));
  const far = stage.node(...stage.identityFlags("far"), "--allow", target);
  await joinByPaste(near, far);
  using conversation = await Conversation.open(port);
  const stranger = stage.node(...stage.keyFlags("stranger"), ...forward(freePort()));
  await far.paste(await stranger.nextText());
  await stranger.paste(await far.nextText());
  const { reason } = await far.event("link-failed");
  assert.match(String(reason), /the other node is not accepted: no trusted authority issued/);
  assert.equal(eventCount(far, "link-up"), 1);
  assert.equal(await conversation.say("still here"), "still here");
});

Deno.test("a pasted node of another stack that is not accepted reaches no target", {
  // werift leaves timers behind.
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  const comers: string[] = [];
  await using service = await serve((socket) => {
    socket.once("data", (bytes) => comers.push(String(bytes)));
    echo(socket);
  });
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  const far = stage.node(...stage.identityFlags("far"), "--allow", target);
  const stranger = await StrangePeer.open(target);
  await far.paste(stranger.offer);
  await stranger.accept(await far.nextText());
  assert.match(String((await far.event("link-failed")).reason), /not accepted/);
  const port = freePort();
  const forward = ["--forward", `127.0.0.1:${port}:${target}`];
  const near = stage.node(...stage.identityFlags("near"), ...forward);
  await joinByPaste(near, far);
  assert.equal(await ask(port, "near"), "near");
  await stranger.close();
  assert.deepEqual(comers, ["near"]);
});

/** A peer of another stack, whose certificate nobody vouches for, and which asks for a target. */
class StrangePeer {
  readonly offer: string;
  readonly #peer: RTCPeerConnection;

  private constructor(peer: RTCPeerConnection) {
    this.#peer = peer;
    const { sdp = "" } = peer.localDescription ?? {};
    this.offer = writePastedText(parseSessionDescription("offer", sdp));
  }

  static async open(target: string): Promise<StrangePeer> {
    const peer = new RTCPeerConnection({
      iceServers: [],
      iceAdditionalHostAddresses: ["127.0.0.1"],
    });
    const channel = peer.createDataChannel(target, { protocol: tcpProtocol });
    channel.onopen = () => channel.send(Buffer.from("hasty"));
    for (const { connection } of peer.iceTransports) connection.stunServer = undefined;
    await peer.createOffer();
    await peer.setLocalDescription();
    return new StrangePeer(peer);
  }

  async accept(answer: string): Promise<void> {
    const [item] = new PastedTextReader().push(`${answer}\n`);
    assert.ok(item?.kind === "description");
    const sdp = writeSessionDescription(item.description);
    await this.#peer.setRemoteDescription({ type: "answer", sdp });
  }

  async close(): Promise<void> {
    await this.#peer.close();
  }
}

Deno.test("a renewed certificate is used by the next link of a running node", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const far = await stage.ingress({ name: "far", at, target });
  const first = await stage.egress({ name: "near", url: far.url, target });
  assert.equal((await first.node.event("link-up")).peer, "far");
  await reSign(stage, "far", ["--name", "renewed"]);
  assert.equal(await ask(first.port), "hello");
  await first.node.stop();
  const second = await stage.egress({ name: "near", url: far.url, target });
  assert.equal((await second.node.event("link-up")).peer, "renewed");
  await reSign(stage, "near", ["--name", "nearer"]);
  await far.node.stop();
  const successor = await stage.ingress({ name: "far", at, target });
  assert.equal((await successor.node.event("link-up")).peer, "nearer");
});

/** Renews a certificate in its place. */
async function reSign(
  stage: AetherlightStage,
  name: string,
  flags: readonly string[],
): Promise<void> {
  const { certPath } = stage.files(name);
  await stage.cert("re-sign", "--cert", certPath, ...stage.authorityFlags(), "--force", ...flags);
}

Deno.test("new identity files that cannot be used leave the running node what it had", async () => {
  await using service = await serve(echo);
  const target = `127.0.0.1:${service.port}`;
  await using stage = await AetherlightStage.open("near", "far");
  const { url: at } = await stage.server();
  const far = await stage.ingress({ name: "far", at, target });
  await Deno.writeTextFile(stage.files("far").certPath, "nothing");
  const near = await stage.egress({ name: "near", url: far.url, target });
  assert.equal((await near.node.event("link-up")).peer, "far");
  assert.match((await far.node.event("identity")).message, /keeping the identity of "far"/);
});
