/**
 * A signaling server that does what it likes, between real nodes. Whatever it does, it learns
 * nothing, and there is at worst no link.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createPublicKey } from "node:crypto";
import type { LogLine, NodeProcess } from "../../demo/node_process.ts";
import { createSignalApp } from "../../signal/app.ts";
import { SignalServer } from "../../signal/server.ts";
import { loadNodeIdentity, type NodeIdentity } from "../../src/identity/node_identity.ts";
import { type EnvelopeContent, sealEnvelope } from "../../src/signaling/envelope.ts";
import { parseText, randomId, toBase64Url } from "../../src/signaling/wire.ts";
import { createNodeKey } from "../signal/node_key.ts";
import { AetherlightStage, type Egress, eventCount, type Ingress } from "./aetherlight_stage.ts";
import { echo, exchange, type LocalService, serve } from "./local_service.ts";

/** A sealed message that is posted. */
interface Post {
  readonly kind: "messages" | "replies";
  readonly ingress: string;
  readonly session: string;
  readonly text: string;
}

/** What becomes of the first post of a session in each direction. */
type Behaviour = (post: Post) => readonly Post[] | Promise<readonly Post[]>;

const honest: Behaviour = (post) => [post];

const postPattern = /^\/ingresses\/(\w+)\/sessions\/([\w-]+)\/(messages|replies)\/[\w-]+$/;

/** Stands in front of the real server, writes down all it sees, and lies where it is told to. */
class EvilServer implements AsyncDisposable {
  /** Requests, answers and frames, with their headers. */
  readonly seen: string[] = [];
  readonly posts: Post[] = [];
  /** Changes the answer to a request. */
  answer: (path: string, body: string) => string = (_path, body) => body;
  readonly #kv: Deno.Kv;
  readonly #front: Deno.HttpServer<Deno.NetAddr>;
  readonly #back: SignalServer;
  readonly #sockets = new Set<WebSocket>();
  readonly #tokens = new Map<string, string>();
  /** Sessions in each direction that are dealt with honestly from now on. */
  readonly #known = new Set<string>();
  readonly #expected = new Set<{ fits: (post: Post) => boolean; resolve: () => void }>();
  #behaviour = honest;

  private constructor(kv: Deno.Kv) {
    this.#kv = kv;
    const onListen = () => {};
    this.#front = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen },
      (request) => this.#handle(request),
    );
    const signalApp = createSignalApp({ kv, baseUrls: [this.url] });
    this.#back = new SignalServer({ signalApp, hostname: "127.0.0.1", port: 0, log: () => {} });
  }

  static async open(): Promise<EvilServer> {
    return new EvilServer(await Deno.openKv(":memory:"));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#front.addr.port}`;
  }

  /** From now on, the first post of each new session is dealt with so. */
  behave(behaviour: Behaviour): void {
    this.#behaviour = behaviour;
  }

  /** Returns when the next post that fits has been passed on. */
  nextPost(fits: (post: Post) => boolean): Promise<void> {
    return new Promise((resolve) => this.#expected.add({ fits, resolve }));
  }

  /** Posts as the node would whose post it seems to be. */
  async post({ kind, ingress, session, text }: Post): Promise<void> {
    const path = `/ingresses/${ingress}/sessions/${session}/${kind}/${randomId()}`;
    const token = this.#tokens.get(ingress);
    const headers = new Headers({ "content-type": "application/json" });
    if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
    const body = JSON.stringify({ text });
    const response = await fetch(this.#backUrl + path, { method: "PUT", headers, body });
    await response.body?.cancel();
  }

  /** Says something to all who wait by WebSocket. */
  say(frame: string): void {
    for (const socket of this.#sockets) socket.send(frame);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.close();
    await this.#back.close();
    await this.#front.shutdown();
    this.#kv.close();
  }

  get #backUrl(): string {
    return `http://127.0.0.1:${this.#back.address.port}`;
  }

  async #handle(request: Request): Promise<Response> {
    const { pathname, search } = new URL(request.url);
    const headers = [...request.headers].map(([name, value]) => `${name}: ${value}`);
    this.seen.push([`${request.method} ${pathname}${search}`, ...headers].join("\n"));
    this.#noteToken(request, pathname);
    if (request.headers.get("upgrade") === "websocket") return this.#bridge(request);
    const body = await request.text();
    this.seen.push(body);
    const [, ingress = "", session = "", kind] = postPattern.exec(pathname) ?? [];
    if (request.method === "PUT" && (kind === "messages" || kind === "replies")) {
      return await this.#handlePost({ kind, ingress, session, text: parseText(body) ?? "" });
    }
    return await this.#forward(request, { path: pathname + search, body });
  }

  #noteToken({ headers }: Request, pathname: string): void {
    const offered = `${headers.get("authorization")}, ${headers.get("sec-websocket-protocol")}`;
    const [, token] = /(?:Bearer |token\.)([\w-]+)/.exec(offered) ?? [];
    const [, ingress] = /^\/ingresses\/(\w+)/.exec(pathname) ?? [];
    if (token !== undefined && ingress !== undefined) this.#tokens.set(ingress, token);
  }

  async #handlePost(post: Post): Promise<Response> {
    const direction = `${post.session} ${post.kind}`;
    const isFirst = !this.#known.has(direction);
    this.#known.add(direction);
    this.posts.push(post);
    for (const each of isFirst ? await this.#behaviour(post) : [post]) await this.post(each);
    if (!isFirst) this.#tell(post);
    return new Response(null, { status: 204 });
  }

  #tell(post: Post): void {
    for (const expected of this.#expected) {
      if (!expected.fits(post)) continue;
      this.#expected.delete(expected);
      expected.resolve();
    }
  }

  async #forward(
    { method, headers }: Request,
    { path, body }: { readonly path: string; readonly body: string },
  ): Promise<Response> {
    const sent = new Headers({ "content-type": "application/json" });
    const authorization = headers.get("authorization");
    if (authorization !== null) sent.set("authorization", authorization);
    const response = await fetch(this.#backUrl + path, {
      ...{ method, headers: sent },
      ...(body === "" ? {} : { body }),
    });
    const answer = this.answer(path, await response.text());
    this.seen.push(answer);
    return new Response(response.status === 204 ? null : answer, response);
  }

  /** Passes frames on in both directions. */
  #bridge(request: Request): Response {
    const { pathname, search } = new URL(request.url);
    const protocols = (request.headers.get("sec-websocket-protocol") ?? "").split(/, */);
    const { socket, response } = Deno.upgradeWebSocket(request, { protocol: protocols[0] ?? "" });
    const back = new WebSocket(this.#backUrl.replace("http", "ws") + pathname + search, protocols);
    this.#pass(back, socket);
    this.#pass(socket, back);
    socket.addEventListener("open", () => this.#sockets.add(socket));
    socket.addEventListener("close", () => this.#sockets.delete(socket));
    return response;
  }

  #pass(from: WebSocket, to: WebSocket): void {
    const early: string[] = [];
    to.addEventListener("open", () => early.forEach((frame) => to.send(frame)));
    from.addEventListener("message", ({ data }) => {
      this.seen.push(data);
      if (to.readyState === WebSocket.OPEN) to.send(data);
      else early.push(data);
    });
    from.addEventListener("close", () => to.close());
    from.addEventListener("error", () => to.close());
  }
}

/** Nodes around an evil server: one egress has a link already. */
class Scene implements AsyncDisposable {
  readonly stage: AetherlightStage;
  readonly evil: EvilServer;
  readonly service: LocalService;
  ingress!: Ingress;
  steady!: Egress;

  private constructor(parts: { stage: AetherlightStage; evil: EvilServer; service: LocalService }) {
    this.stage = parts.stage;
    this.evil = parts.evil;
    this.service = parts.service;
  }

  static async open(): Promise<Scene> {
    const service = await serve(echo);
    const evil = await EvilServer.open();
    const stage = await AetherlightStage.open("ingress", "steady", "victim", "other");
    const scene = new Scene({ stage, evil, service });
    scene.ingress = await scene.newIngress("ingress");
    scene.steady = await scene.call("steady");
    await scene.assertSteady();
    return scene;
  }

  get target(): string {
    return `127.0.0.1:${this.service.port}`;
  }

  newIngress(name: string): Promise<Ingress> {
    return this.stage.ingress({ name, at: this.evil.url, target: this.target });
  }

  /** Starts an egress that calls the ingress. */
  call(name: string): Promise<Egress> {
    const { url } = this.ingress;
    return this.stage.egress({ name, url, target: this.target });
  }

  /** The link that was there before everything still carries what it is given. */
  async assertSteady(): Promise<void> {
    assert.equal(await ask(this.steady), "hello");
    assert.equal(eventCount(this.steady.node, "link-up"), 1);
    assert.equal(eventCount(this.steady.node, "link-down"), 0);
  }

  /** The offer with which the steady egress began. */
  steadyOffer(): Post {
    const [offer] = this.evil.posts;
    assert.ok(offer?.kind === "messages");
    return offer;
  }

  /** Who a node is, for the server to pretend with. */
  identity(name: string): Promise<NodeIdentity> {
    return loadNodeIdentity(this.stage.files(name));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stage[Symbol.asyncDispose]();
    await this.evil[Symbol.asyncDispose]();
    await this.service[Symbol.asyncDispose]();
  }
}

async function ask({ port }: Egress): Promise<string> {
  return String(await exchange({ port, payload: new TextEncoder().encode("hello") }));
}

/** A text sealed by somebody for somebody. */
function sealed(
  content: Omit<EnvelopeContent, "sequence"> & { readonly sequence?: number },
  { from, to }: { readonly from: NodeIdentity; readonly to: NodeIdentity },
): Promise<string> {
  const publicKey = new Uint8Array(
    createPublicKey(to.privateKeyPem).export({ type: "spki", format: "der" }),
  );
  return sealEnvelope({ sequence: 0, ...content }, {
    identity: from,
    receiver: { keyId: to.keyId, publicKey },
    now: Date.now(),
  });
}

/** The text with one bit of its ciphertext changed. */
function tampered(text: string): string {
  const at = text.length >> 1;
  return text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
}

// What the server sees -------------------------------------------------------------------------------

/** A text, and what its parts say that may be base64 or base64url, however deep. */
function* readings(text: string, depth = 3): Iterable<string> {
  yield text;
  if (depth === 0) return;
  for (const [run] of text.matchAll(/[\w+/-]{8,}/g)) {
    for (let start = 0; start < 4; start++) {
      yield* readings(Buffer.from(run.slice(start), "base64").toString("latin1"), depth - 1);
    }
  }
}

/** Which of the secrets can be read. */
function legible(seen: readonly string[], secrets: readonly string[]): string[] {
  const found = new Set<string>();
  for (const text of seen) {
    for (const reading of readings(text)) {
      const lower = reading.toLowerCase();
      for (const secret of secrets) if (lower.includes(secret.toLowerCase())) found.add(secret);
    }
  }
  return [...found];
}

Deno.test("what is encoded, even twice, is legible to the search below", () => {
  const once = Buffer.from("..candidate:1 1 udp 192.0.2.7").toString("base64url");
  const twice = Buffer.from(`{"x":"${once}"}`).toString("base64");
  const bytes = Buffer.from([0xfe, 0xca, 0xfe, 0xba, 0xbe, 0x01]);
  const raw = JSON.stringify({ text: `ab${bytes.toString("base64url")}` });
  assert.deepEqual(legible([twice], ["192.0.2.7", "192.0.2.8"]), ["192.0.2.7"]);
  assert.deepEqual(legible([raw], [bytes.toString("latin1")]), [bytes.toString("latin1")]);
});

Deno.test("nothing that the server sees holds an address, target, name, label or fingerprint", async () => {
  await using service = await serve(echo);
  await using evil = await EvilServer.open();
  await using stage = await AetherlightStage.open();
  await stage.generate("quiet-ingress", { flags: ["--label", "site=hidden-valley"] });
  await stage.generate("quiet-egress", { flags: ["--label", "owner=nobody-special"] });
  const target = `127.0.0.1:${service.port}`;
  const ingress = await stage.ingress({ name: "quiet-ingress", at: evil.url, target });
  const egress = await stage.egress({ name: "quiet-egress", url: ingress.url, target });
  assert.equal(await ask(egress), "hello");
  const links = await Promise.all([ingress.node.event("link-up"), egress.node.event("link-up")]);
  await Promise.all([egress.node.stop(), ingress.node.stop()]);
  const secrets = [
    ...[target, "quiet-ingress", "quiet-egress", "hidden-valley", "nobody-special"],
    ...["candidate:", "typ host", "ice-ufrag", "ice-pwd", "fingerprint", "webrtc-datachannel"],
    ...links.flatMap(addressesIn),
    ...await fingerprintsOf(stage, "quiet-ingress"),
    ...await fingerprintsOf(stage, "quiet-egress"),
    (await stage.show("quiet-egress")).keyId,
  ];
  assert.ok(evil.posts.some(({ kind }) => kind === "replies"));
  assert.deepEqual(legible(evil.seen, secrets), []);
});

/** The two ends of a link as candidates write them. */
function addressesIn({ local, remote }: LogLine): string[] {
  return [local, remote].flatMap((end) => {
    const [, host = "", port = ""] = /^\[?(.+?)\]?:(\d+)$/.exec(String(end)) ?? [];
    const isLoopback = host === "::1" || host.startsWith("127.");
    // Loopback is in every request's Host; the port tells the candidate from the server.
    return [String(end), `${host} ${port}`, ...(isLoopback ? [] : [host])];
  });
}

async function fingerprintsOf(stage: AetherlightStage, name: string): Promise<string[]> {
  const { fingerprint } = await stage.show(name);
  const hex = fingerprint.replaceAll(":", "");
  return [fingerprint, hex, Buffer.from(hex, "hex").toString("latin1")];
}

// What the server does -------------------------------------------------------------------------------

/** Something that must lead to no link and one line. */
interface Trick {
  readonly name: string;
  /** Prepares it; what becomes of the first posts of each session from now on. */
  readonly play: (scene: Scene) => Behaviour | Promise<Behaviour>;
  readonly refusedAt: "ingress" | "victim";
  readonly reason: RegExp;
}

const illegible = /it holds no signed message for this node's key/;

const tricks: readonly Trick[] = [
  {
    name: "an offer with a bit changed",
    play: () => onMessages((post) => [{ ...post, text: tampered(post.text) }]),
    refusedAt: "ingress",
    reason: illegible,
  },
  {
    name: "an answer with a bit changed",
    play: () => onReplies((post) => [{ ...post, text: tampered(post.text) }]),
    refusedAt: "victim",
    reason: illegible,
  },
  {
    name: "an offer cut short",
    play: () => onMessages((post) => [{ ...post, text: post.text.slice(0, -1) }]),
    refusedAt: "ingress",
    reason: /it is too long or not of the sealed form/,
  },
  {
    name: "an offer that comes back as its answer",
    play: ({ evil }) =>
      onMessages(async (post) => {
        await evil.post(post);
        return [{ ...post, kind: "replies" }];
      }, onReplies(() => [])),
    refusedAt: "victim",
    reason: illegible,
  },
  {
    name: "an answer that comes back to the ingress",
    play: () => onReplies((post) => [{ ...post, kind: "messages" }]),
    refusedAt: "ingress",
    reason: illegible,
  },
  {
    name: "an offer in another egress's session",
    play: (scene) => onMessages((post) => [{ ...post, session: scene.steadyOffer().session }]),
    refusedAt: "ingress",
    reason: /it is of another session/,
  },
  {
    name: "another egress's offer in place of the own",
    play: (scene) => onMessages((post) => [{ ...post, text: scene.steadyOffer().text }]),
    refusedAt: "ingress",
    reason: /it is of another session/,
  },
  {
    name: "another egress's answer in place of the own",
    play: ({ evil }) => {
      const answer = evil.posts.find(({ kind }) => kind === "replies");
      return onReplies((post) => [{ ...post, text: answer?.text ?? "" }]);
    },
    refusedAt: "victim",
    reason: illegible,
  },
  {
    name: "the answer to an earlier call of the same egress",
    play: async (scene) => {
      const earlier = await scene.call("victim");
      assert.equal(await ask(earlier), "hello");
      await earlier.node.stop();
      const answer = scene.evil.posts.filter(({ kind }) => kind === "replies").findLast(
        ({ session }) => session !== scene.steadyOffer().session,
      );
      const first = scene.evil.posts.find(({ kind, session }) =>
        kind === "replies" && session === answer?.session
      );
      return onReplies((post) => [{ ...post, text: first?.text ?? "" }]);
    },
    refusedAt: "victim",
    reason: /it is of another session/,
  },
  {
    name: "an offer that the server made itself",
    play: async (scene) => {
      await scene.stage.generate("forger", { authority: "other-" });
      const [from, to] = [await scene.identity("forger"), await scene.identity("ingress")];
      return onMessages(async (post) => {
        const content = { sessionId: post.session, type: "offer", body: "v=0" } as const;
        const direction = "egress-to-ingress";
        return [{ ...post, text: await sealed({ ...content, direction }, { from, to }) }];
      });
    },
    refusedAt: "ingress",
    reason: /its sender is not accepted: no trusted authority issued the certificate/,
  },
  {
    name: "an answer that the server made itself",
    play: async (scene) => {
      await scene.stage.generate("forger", { authority: "other-" });
      const [from, to] = [await scene.identity("forger"), await scene.identity("victim")];
      return onReplies(async (post) => {
        const content = { sessionId: post.session, type: "answer", body: "v=0" } as const;
        const direction = "ingress-to-egress";
        return [{ ...post, text: await sealed({ ...content, direction }, { from, to }) }];
      });
    },
    refusedAt: "victim",
    reason: /it is of another sender/,
  },
  {
    name: "an answer of another node of the same authority",
    play: async (scene) => {
      const [from, to] = [await scene.identity("other"), await scene.identity("victim")];
      return onReplies(async (post) => {
        const content = { sessionId: post.session, type: "answer", body: "v=0" } as const;
        const direction = "ingress-to-egress";
        return [{ ...post, text: await sealed({ ...content, direction }, { from, to }) }];
      });
    },
    refusedAt: "victim",
    reason: /it is of another sender/,
  },
];

/** Deals so with the offers, and with the answers as it is said after. */
function onMessages(behaviour: Behaviour, otherwise: Behaviour = honest): Behaviour {
  return (post) => post.kind === "messages" ? behaviour(post) : otherwise(post);
}

function onReplies(behaviour: Behaviour): Behaviour {
  return (post) => post.kind === "replies" ? behaviour(post) : honest(post);
}

for (const { name, play, refusedAt, reason } of tricks) {
  Deno.test(`${name}: one line at the ${refusedAt}, no link, no harm`, async () => {
    await using scene = await Scene.open();
    scene.evil.behave(await play(scene));
    const before = linkCount(scene.ingress.node);
    const victim = await scene.call("victim");
    const node = refusedAt === "ingress" ? scene.ingress.node : victim.node;
    const refusal = await node.event("signal-refused");
    assert.match(String(refusal.reason), reason);
    await scene.assertSteady();
    assert.equal(linkCount(victim.node) + linkCount(scene.ingress.node), before);
    assert.equal(eventCount(node, "signal-refused"), 1);
    assert.deepEqual(unexpectedLines(scene.ingress.node, victim.node), []);
  });
}

function linkCount(node: NodeProcess): number {
  return eventCount(node, "link-up");
}

/** Faults of the program, and whatever was not written as a log line. */
function unexpectedLines(...nodes: readonly NodeProcess[]): string[] {
  return nodes.flatMap(({ log }) => log)
    .filter(({ event }) => event === undefined || event === "unexpected")
    .map(({ message }) => message);
}

Deno.test("an offer that is brought to another ingress makes no link with it", async () => {
  await using scene = await Scene.open();
  const other = await scene.newIngress("other");
  const ingress = other.url.slice(-52);
  scene.evil.behave(onMessages((post) => [{ ...post, ingress }]));
  const victim = await scene.call("victim");
  assert.match(String((await other.node.event("signal-refused")).reason), illegible);
  await scene.assertSteady();
  assert.deepEqual([victim.node, other.node].map(linkCount), [0, 0]);
  assert.deepEqual(unexpectedLines(other.node, victim.node), []);
});

Deno.test("a key that is not the ingress's is found out before anything is posted", async () => {
  await using scene = await Scene.open();
  const { publicKeySpki } = await createNodeKey();
  const publicKey = toBase64Url(publicKeySpki);
  scene.evil.answer = (path, body) =>
    /^\/ingresses\/\w+$/.test(path) ? JSON.stringify({ publicKey }) : body;
  const postCount = scene.evil.posts.length;
  const victim = await scene.call("victim");
  const { message } = await victim.node.event("call-failed");
  assert.match(message, /is not an aetherlight server: the key it gave is not the ingress's/);
  await scene.assertSteady();
  assert.deepEqual([scene.evil.posts.length, linkCount(victim.node)], [postCount, 0]);
});

Deno.test("an offer that is brought again is refused, and its link is unharmed", async () => {
  await using scene = await Scene.open();
  await scene.evil.post(scene.steadyOffer());
  const { reason } = await scene.ingress.node.event("signal-refused");
  assert.match(String(reason), /it was taken before/);
  await scene.assertSteady();
  assert.equal(linkCount(scene.ingress.node), 1);
});

Deno.test("what comes twice is taken once, and makes one link", async () => {
  await using scene = await Scene.open();
  scene.evil.behave((post) => [post, post]);
  const victim = await scene.call("victim");
  assert.equal(await ask(victim), "hello");
  const { reason } = await scene.ingress.node.event("signal-refused");
  assert.match(String(reason), /it was taken before/);
  await scene.assertSteady();
  assert.deepEqual([victim.node, scene.ingress.node].map(linkCount), [1, 2]);
  assert.deepEqual(unexpectedLines(scene.ingress.node, victim.node), []);
});

Deno.test("offers and answers that candidates overtake make a link all the same", async () => {
  await using scene = await Scene.open();
  const { evil } = scene;
  const [from, to] = [await scene.identity("victim"), await scene.identity("ingress")];
  evil.behave(async (held) => {
    const { session: sessionId, kind } = held;
    if (kind === "messages") {
      const content = { sessionId, type: "candidates", sequence: 7, body: null } as const;
      const direction = "egress-to-ingress";
      return [{ ...held, text: await sealed({ ...content, direction }, { from, to }) }, held];
    }
    const isLater = ({ session, kind }: Post) => session === sessionId && kind === "replies";
    void evil.nextPost(isLater).then(() => evil.post(held));
    return [];
  });
  const victim = await scene.call("victim");
  assert.equal(await ask(victim), "hello");
  await scene.assertSteady();
  assert.equal(eventCount(scene.ingress.node, "signal-refused"), 0);
  assert.deepEqual(unexpectedLines(scene.ingress.node, victim.node), []);
});

Deno.test("twenty sessions of garbage are a line each, and the next egress is served", async () => {
  await using scene = await Scene.open();
  const { ingress } = scene.steadyOffer();
  for (let count = 0; count < 20; count++) {
    const session = randomId();
    await scene.evil.post({ kind: "messages", ingress, session, text: `garbage ${count}` });
    await scene.evil.post({ kind: "messages", ingress, session, text: `more ${count}` });
  }
  assert.equal(await ask(await scene.call("victim")), "hello");
  await scene.assertSteady();
  assert.equal(eventCount(scene.ingress.node, "signal-refused"), 20);
  assert.deepEqual(unexpectedLines(scene.ingress.node), []);
});

for (
  const { name, frame } of [
    { name: "another protocol", frame: '{"type":"nonsense"}' },
    { name: "no JSON", frame: "\u0000\u001b[2J" },
    { name: "over 256 KB", frame: `{"type":"pong","x":"${"x".repeat(300_000)}"}` },
  ]
) {
  Deno.test(`a frame of ${name} costs the waiting and no link, and the ingress waits again`, async () => {
    await using scene = await Scene.open();
    scene.evil.say(frame);
    const { message } = await scene.ingress.node.event("signal-lost");
    assert.match(message, /is not an aetherlight server: it sent a frame of another protocol/);
    assert.match(message, /^[ -~]*$/);
    await scene.ingress.node.event("waiting", 2);
    await scene.assertSteady();
    assert.equal(await ask(await scene.call("victim")), "hello");
  });
}

Deno.test("an ingress answers nothing to a node that it does not accept", async () => {
  await using scene = await Scene.open();
  await scene.stage.generate("stranger", { authority: "other-" });
  const postCount = scene.evil.posts.length;
  await scene.call("stranger");
  await scene.ingress.node.event("signal-refused");
  const strangersPost = scene.evil.posts[postCount];
  assert.equal(strangersPost?.kind, "messages");
  // Messages are dealt with in their order: this answer comes after all that one would have come.
  assert.equal(await ask(await scene.call("victim")), "hello");
  const answers = scene.evil.posts.filter(({ kind, session }) =>
    kind === "replies" && session === strangersPost.session
  );
  assert.deepEqual(answers, []);
});
