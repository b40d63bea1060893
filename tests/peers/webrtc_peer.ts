/**
 * One end of a link that is all another implementation's, running as a process of its own.
 *
 * It reads commands and writes events, one JSON object a line:
 *
 * | command  | fields              | what it does                                               |
 * | -------- | ------------------- | ---------------------------------------------------------- |
 * | `offer`  | `label`, `protocol` | describes a connection with one channel                    |
 * | `answer` | `sdp`               | answers an offer; the channel is the one that is opened    |
 * | `accept` | `sdp`               | takes the answer to its offer                              |
 *
 * | event       | fields              |                                                         |
 * | ----------- | ------------------- | ------------------------------------------------------- |
 * | `described` | `sdp`               | the offer or answer, with all candidates                |
 * | `open`      | `label`, `protocol` | the channel is open                                     |
 * | `state`     | `state`             | of the connection                                       |
 *
 * On its channel it sends back what comes: texts as they are, and the bytes of binary messages in
 * messages of 50,000 bytes, keeping what is short of one.
 *
 * @module
 */

/** What names a channel. */
export interface ChannelNames {
  readonly label: string;
  readonly protocol: string;
}

/** What the peer tells, by the name of the event. */
interface PeerEvents {
  readonly described: { readonly sdp: string };
  readonly open: ChannelNames;
  readonly state: { readonly state: string };
}

/** Something that speaks as above: a process, or what stands for one. */
export interface Interlocutor {
  readonly printed: string;
  /** Hands commands over. What they bring about is not waited for: it may be all of a link. */
  write(text: string): Promise<void>;
  waitFor(pattern: RegExp): Promise<RegExpExecArray>;
  stop(): Promise<void>;
}

/** A peer with one connection, that has one channel. */
export class WebRtcPeer {
  readonly #process: Interlocutor;

  constructor(process: Interlocutor) {
    this.#process = process;
  }

  /** Describes the connection, with a channel to open. */
  async offer({ label, protocol }: ChannelNames): Promise<string> {
    await this.#tell({ command: "offer", label, protocol });
    return (await this.#waitFor("described")).sdp;
  }

  /** Answers an offer. */
  async answer(sdp: string): Promise<string> {
    await this.#tell({ command: "answer", sdp });
    return (await this.#waitFor("described")).sdp;
  }

  /** Takes the answer to the offer. */
  async accept(sdp: string): Promise<void> {
    await this.#tell({ command: "accept", sdp });
  }

  /** Waits until its channel is open. */
  async opened(): Promise<ChannelNames> {
    const { label, protocol } = await this.#waitFor("open");
    return { label, protocol };
  }

  /** Waits until it has given the connection up. */
  async ended(): Promise<void> {
    await this.#process.waitFor(/^\{"event": ?"state", ?"state": ?"(?:failed|closed)"\}$/m);
  }

  /** Whether its channel has been open at any time. */
  get hasOpened(): boolean {
    return eventPattern("open").test(this.printed);
  }

  /** Everything that it has told. */
  get printed(): string {
    return this.#process.printed;
  }

  /** Kills it. */
  async stop(): Promise<void> {
    await this.#process.stop();
  }

  async #tell(command: Readonly<Record<string, string>>): Promise<void> {
    await this.#process.write(`${JSON.stringify(command)}\n`);
  }

  async #waitFor<Name extends keyof PeerEvents>(name: Name): Promise<PeerEvents[Name]> {
    const [line] = await this.#process.waitFor(eventPattern(name));
    return JSON.parse(line);
  }
}

function eventPattern(name: string): RegExp {
  return new RegExp(`^\\{"event": ?"${name}".*\\}$`, "m");
}
