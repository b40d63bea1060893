/**
 * One course that a handshake may have taken: what was said on it, and what comes next. An attempt
 * does not change when the peer's next message comes; what becomes of it is an attempt of its own,
 * so that the same place can be left in more than one way.
 *
 * @module
 */
import { DtlsClient } from "./dtls_client.ts";
import { DtlsServer } from "./dtls_server.ts";
import type { Flight, FlightItem } from "./flights.ts";
import type {
  Agreement,
  HandshakeContext,
  HandshakeScript,
  HandshakeSettings,
  Protection,
} from "./handshake_context.ts";
import type { HandshakeFailure } from "./handshake_failure.ts";
import type { HandshakeMessage } from "./handshake_header.ts";
import type { Role } from "./key_schedule.ts";
import type { Epoch } from "./record_layer.ts";
import { Transcript } from "./transcript.ts";

/** How an attempt came about: by its own beginning, or by a message that came on another one. */
interface Origin {
  readonly transcript: Transcript;
  /** The message_seq of the peer's next message. */
  readonly nextReceive: number;
  readonly nextSend: number;
  readonly sendEpoch: Epoch;
  /** Our last flight so far. */
  readonly flight: Flight | undefined;
  readonly protection: Protection | undefined;
  readonly begin: (context: HandshakeContext) => HandshakeScript;
}

/** A handshake up to some message. */
export class HandshakeAttempt {
  readonly #settings: HandshakeSettings;
  readonly #transcript: Transcript;
  readonly #nextReceive: number;
  readonly #script: HandshakeScript;
  readonly #items: FlightItem[] = [];
  #flight: Flight | undefined;
  #nextSend: number;
  #sendEpoch: Epoch;
  #protection: Protection | undefined;

  private constructor(settings: HandshakeSettings, origin: Origin) {
    this.#settings = settings;
    this.#transcript = origin.transcript;
    this.#nextReceive = origin.nextReceive;
    this.#nextSend = origin.nextSend;
    this.#sendEpoch = origin.sendEpoch;
    this.#flight = origin.flight;
    this.#protection = origin.protection;
    this.#script = origin.begin({
      ...settings,
      transcript: origin.transcript,
      send: (type, body) => {
        const message = { type, sequence: this.#nextSend++, body };
        origin.transcript.add(message);
        this.#items.push({ kind: "message", epoch: this.#sendEpoch, message });
      },
      sendChangeCipherSpec: () => {
        this.#items.push({ kind: "change-cipher-spec" });
        this.#sendEpoch = 1;
      },
      protect: (protection) => {
        this.#protection = protection;
      },
    });
    this.#finishFlight();
  }

  /** Where a handshake begins. */
  static begin(role: Role, settings: HandshakeSettings): HandshakeAttempt {
    return new HandshakeAttempt(settings, {
      transcript: new Transcript(settings.crypto),
      nextReceive: 0,
      nextSend: 0,
      sendEpoch: 0,
      flight: undefined,
      protection: undefined,
      begin: (context) => role === "client" ? DtlsClient.begin(context) : DtlsServer.begin(context),
    });
  }

  /** What becomes of it when this is the peer's next message; or why that cannot be. */
  after(message: HandshakeMessage): HandshakeAttempt | HandshakeFailure {
    const next = new HandshakeAttempt(this.#settings, {
      transcript: this.#transcript.clone(),
      nextReceive: this.#nextReceive + 1,
      nextSend: this.#nextSend,
      sendEpoch: this.#sendEpoch,
      flight: this.#flight,
      protection: this.#protection,
      begin: (context) => this.#script.fork(context),
    });
    // The one place where received messages enter the transcript: the bytes that are parsed, and
    // used, are the bytes that are hashed and signed over. CHECK D4
    next.#transcript.add(message);
    const failure = next.#script.handleMessage(message);
    if (failure !== undefined) return failure;
    next.#finishFlight();
    return next;
  }

  /** Whether this is where the peer's ChangeCipherSpec belongs. If so, it has come. */
  handleChangeCipherSpec(): boolean {
    return this.#script.handleChangeCipherSpec();
  }

  /** The message_seq of the peer's next message. */
  nextReceive(): number {
    return this.#nextReceive;
  }

  /** The epoch of what we send next. */
  sendEpoch(): Epoch {
    return this.#sendEpoch;
  }

  /** What we said last. */
  flight(): Flight | undefined {
    return this.#flight;
  }

  /** The keys, once the peer has signed what both ends drew at random. */
  protection(): Protection | undefined {
    return this.#protection;
  }

  /** What was agreed on, once the peer's Finished is verified. */
  agreement(): Agreement | undefined {
    return this.#script.agreement();
  }

  /** Whether our flight is the last: nothing answers it. */
  sendsLastFlight(): boolean {
    return this.#script.sendsLastFlight;
  }

  stateName(): string {
    return this.#script.stateName();
  }

  /** The secret it holds, if any; attempts that come of one another may hold the same. */
  masterSecret(): Uint8Array | undefined {
    return this.#script.masterSecret();
  }

  /** What was said on it; attempts that come of one another share the same objects. */
  messages(): readonly Uint8Array[] {
    return this.#transcript.messages();
  }

  /** What the script has said is a flight. */
  #finishFlight(): void {
    if (this.#items.length === 0) return;
    this.#flight = { answers: this.#nextReceive - 1, items: this.#items };
  }
}
