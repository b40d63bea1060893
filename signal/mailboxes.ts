/**
 * Messages on their way: one mailbox for each ingress, and one for the replies of each session.
 * A message is removed when its reader has acknowledged it, or when its session ends.
 */
import { createHash } from "node:crypto";
import type { SealedMessage } from "../src/signaling/wire.ts";
import type { SignalLimits } from "./limits.ts";
import { acknowledged, type Appended, appended, emptyQueue, type Queue } from "./queue.ts";
import { Refusal } from "./refusal.ts";
import { isWaiting, registrationKey, type RegistrationRecord } from "./registrations.ts";
import type { Change, Entry, Put, Store } from "./store.ts";

/** The mailbox of an ingress. */
interface Mailbox {
  readonly queue: Queue;
  readonly sessions: readonly OpenSession[];
}

interface OpenSession {
  readonly id: string;
  /** Stands for the address that opened it. */
  readonly opener: string;
  readonly expiresAt: number;
}

/** A session, with the head of its replies' mailbox. */
interface Session {
  readonly queue: Queue;
  readonly messageCount: number;
  readonly replyCount: number;
  /** The ids of the last message each way: a post that is repeated is not delivered twice. */
  readonly lastMessage: string;
  readonly lastReply: string;
  readonly expiresAt: number;
}

/** A session of an ingress. */
export interface SessionName {
  /** Of the ingress. */
  readonly id: string;
  readonly session: string;
}

/** One message to be posted. */
export interface Post extends SessionName {
  /** Chosen by the sender, new for each message. */
  readonly messageId: string;
  readonly text: string;
}

/** Where in a mailbox to read. */
export interface ReadOptions {
  /** The sequence number of the last message that is already known. */
  readonly after: number;
}

const READ_COUNT = 32;

/** All mailboxes. Methods throw {@link Refusal} for what is not granted. */
export class Mailboxes {
  readonly #store: Store;
  readonly #limits: SignalLimits;

  constructor(store: Store, limits: SignalLimits) {
    this.#store = store;
    this.#limits = limits;
  }

  /** Posts a message to an ingress. The first one of a session opens it. */
  async postMessage(post: Post, address: string): Promise<void> {
    await this.#store.retry(mailboxKey(post.id), async () => {
      const [registration, box, one] = await this.#store.getMany<
        [RegistrationRecord, Mailbox, Session]
      >([registrationKey(post.id), mailboxKey(post.id), sessionKey(post)]);
      if (!isWaiting(registration.value)) {
        throw new Refusal("no_ingress", "no ingress waits under this id");
      }
      if (one.value?.lastMessage === post.messageId) return true;
      const change = this.#messagePosted(post, { box, one, address });
      return await this.#store.commit(change) || undefined;
    });
  }

  /** Posts an ingress's reply into a session that an egress opened. */
  async postReply(post: Post): Promise<void> {
    await this.#store.retry(sessionKey(post), async () => {
      const one = await this.#session(post);
      const session = requireSession(one);
      if (session.lastReply === post.messageId) return true;
      return await this.#store.commit(this.#replyPosted(post, { one, session })) || undefined;
    });
  }

  /** The oldest messages that wait for an ingress. */
  async messages(id: string, { after }: ReadOptions): Promise<SealedMessage[]> {
    return await this.#list(messagesKey(id), after);
  }

  /** The oldest replies that wait in a session. */
  async replies(name: SessionName, { after }: ReadOptions): Promise<SealedMessage[]> {
    requireSession(await this.#session(name));
    return await this.#list(repliesKey(name), after);
  }

  /** Removes an ingress's messages up to a sequence number. */
  async acknowledgeMessages(id: string, sequence: number): Promise<void> {
    await this.#store.retry(mailboxKey(id), async () => {
      const box = await this.#store.get<Mailbox>(mailboxKey(id));
      if (box.value === undefined) return true;
      const { queue, done } = acknowledged(box.value.queue, sequence);
      if (done.length === 0) return true;
      return await this.#store.commit({
        check: [box],
        set: [this.#putMailbox(box, { ...box.value, queue })],
        remove: done.map((number) => [...messagesKey(id), number]),
      }) || undefined;
    });
  }

  /** Removes a session's replies up to a sequence number. */
  async acknowledgeReplies(name: SessionName, sequence: number): Promise<void> {
    await this.#store.retry(sessionKey(name), async () => {
      const one = await this.#session(name);
      if (one.value === undefined) return true;
      const { queue, done } = acknowledged(one.value.queue, sequence);
      if (done.length === 0) return true;
      return await this.#store.commit({
        check: [one],
        set: [putSession(one, { ...one.value, queue })],
        remove: done.map((number) => [...repliesKey(name), number]),
      }) || undefined;
    });
  }

  /** Ends a session before its time. */
  async closeSession(name: SessionName): Promise<void> {
    await this.#store.retry(mailboxKey(name.id), async () => {
      const [box, one] = await this.#store.getMany<[Mailbox, Session]>([
        mailboxKey(name.id),
        sessionKey(name),
      ]);
      const { queue } = requireSession(one);
      const mailbox = box.value ?? emptyMailbox(this.#store.now());
      const sessions = mailbox.sessions.filter((open) => open.id !== name.session);
      return await this.#store.commit({
        check: [box, one],
        set: [this.#putMailbox(box, { ...mailbox, sessions })],
        remove: [
          one.key,
          ...queue.pending.map(({ sequence }) => [...repliesKey(name), sequence]),
        ],
      }) || undefined;
    });
  }

  #messagePosted(
    { id, session: name, messageId, text }: Post,
    { box, one, address }: {
      readonly box: Entry<Mailbox>;
      readonly one: Entry<Session>;
      readonly address: string;
    },
  ): Change {
    const now = this.#store.now();
    const mailbox = one.value === undefined
      ? this.#opened(box.value, { name, opener: openerOf(id, address), now })
      : box.value ?? emptyMailbox(now);
    const session = one.value ?? this.#newSession(now);
    this.#checkCount(session.messageCount);
    const { queue, sequence } = this.#append(mailbox.queue, text, session.expiresAt);
    const messageCount = session.messageCount + 1;
    return {
      check: [box, one],
      set: [
        this.#putMailbox(box, { ...mailbox, queue }),
        putSession(one, { ...session, messageCount, lastMessage: messageId }),
        putMessage(messagesKey(id), { sequence, session: name, text }, session.expiresAt),
      ],
    };
  }

  #replyPosted(
    post: Post,
    { one, session }: { readonly one: Entry<Session>; readonly session: Session },
  ): Change {
    const { session: name, messageId, text } = post;
    this.#checkCount(session.replyCount);
    const { queue, sequence } = this.#append(session.queue, text, session.expiresAt);
    const replyCount = session.replyCount + 1;
    return {
      check: [one],
      set: [
        putSession(one, { ...session, queue, replyCount, lastReply: messageId }),
        putMessage(repliesKey(post), { sequence, session: name, text }, session.expiresAt),
      ],
    };
  }

  #append(queue: Queue, text: string, expiresAt: number): Appended {
    const now = this.#store.now();
    return appended(queue, { length: text.length, expiresAt, now, limits: this.#limits });
  }

  #newSession(now: number): Session {
    return {
      queue: emptyQueue(now),
      messageCount: 0,
      replyCount: 0,
      lastMessage: "",
      lastReply: "",
      expiresAt: now + this.#limits.sessionMilliseconds,
    };
  }

  #opened(
    mailbox: Mailbox | undefined,
    { name, opener, now }: { readonly name: string; readonly opener: string; readonly now: number },
  ): Mailbox {
    const { queue, sessions } = mailbox ?? emptyMailbox(now);
    const open = sessions.filter((session) => session.expiresAt > now && session.id !== name);
    const ofOpener = open.filter((session) => session.opener === opener).length;
    const { sessionsPerIngress, sessionsPerAddress, sessionMilliseconds } = this.#limits;
    if (open.length >= sessionsPerIngress || ofOpener >= sessionsPerAddress) {
      throw new Refusal("too_many_sessions", "this ingress has too many sessions", 5);
    }
    return {
      queue,
      sessions: [...open, { id: name, opener, expiresAt: now + sessionMilliseconds }],
    };
  }

  #checkCount(count: number): void {
    if (count < this.#limits.messagesPerSession) return;
    throw new Refusal("session_full", "this session has had all the messages it may");
  }

  #session(name: SessionName): Promise<Entry<Session>> {
    return this.#store.get<Session>(sessionKey(name));
  }

  async #list(prefix: Deno.KvKey, after: number): Promise<SealedMessage[]> {
    const entries = await this.#store.listAfter<SealedMessage>(prefix, {
      after,
      limit: READ_COUNT,
    });
    return entries.flatMap(({ value }) => value === undefined ? [] : [value]);
  }

  /** No session of it outlives the mailbox. */
  #putMailbox(box: Entry<Mailbox>, value: Mailbox): Put {
    return { key: box.key, value, expiresAt: this.#store.now() + this.#limits.sessionMilliseconds };
  }
}

function emptyMailbox(now: number): Mailbox {
  return { queue: emptyQueue(now), sessions: [] };
}

function putSession(one: Entry<Session>, value: Session): Put {
  return { key: one.key, value, expiresAt: value.expiresAt };
}

function putMessage(prefix: Deno.KvKey, value: SealedMessage, expiresAt: number): Put {
  return { key: [...prefix, value.sequence], value, expiresAt };
}

function requireSession({ value }: Entry<Session>): Session {
  if (value !== undefined) return value;
  throw new Refusal("no_session", "no such session, or it is over");
}

function mailboxKey(id: string): Deno.KvKey {
  return ["mailbox", id];
}

function sessionKey({ id, session }: SessionName): Deno.KvKey {
  return ["session", id, session];
}

function messagesKey(id: string): Deno.KvKey {
  return ["message", id];
}

function repliesKey({ id, session }: SessionName): Deno.KvKey {
  return ["reply", id, session];
}

/** What stands for an address in the store: enough to count by, and no list of addresses. */
function openerOf(id: string, address: string): string {
  return createHash("sha256").update(`${id}\n${address}`).digest("base64url").slice(0, 11);
}
