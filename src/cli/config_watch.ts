/** Tells when a config file may have changed. */
import { onHangUp } from "./hang_up.ts";

/** How often the file is looked at, in ms. */
const interval = 500;

/** Who is told. */
export interface ConfigWatchHandler {
  /** Somebody asks for the file to be read again. */
  handleSignal(): void;
  /** The file is another, has changed, or was looked at for the first time. */
  handleChange(): void;
}

/**
 * Watches until closed: SIGHUP, and what the path leads to. That is looked at again and again, as any
 * of its folders and links may be replaced by another.
 */
export class ConfigWatch {
  readonly #path: string;
  readonly #handler: ConfigWatchHandler;
  readonly #stopListening: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  /** What the file looked like when that was last told. */
  #told: string | undefined;
  /** What it looked like last: what is still being written looks different each time. */
  #seen: string | undefined;

  constructor(path: string, handler: ConfigWatchHandler) {
    this.#path = path;
    this.#handler = handler;
    this.#stopListening = onHangUp(() => handler.handleSignal());
    void this.#compare();
  }

  close(): void {
    this.#isClosed = true;
    this.#stopListening();
    clearTimeout(this.#timer);
  }

  async #compare(): Promise<void> {
    const before = this.#seen;
    const seen = this.#seen = await stampOf(this.#path);
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#compare(), interval);
    if (seen !== before || seen === this.#told) return;
    this.#told = seen;
    this.#handler.handleChange();
  }
}

/** Any way of replacing a file changes at least one of these. */
async function stampOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtime, ctime } = await Deno.stat(path);
    return [dev, ino, size, mtime?.getTime(), ctime?.getTime()].join(" ");
  } catch (error) {
    // Missing or out of reach is a state like any other; reading the file will tell why.
    return error instanceof Error ? error.name : "unreadable";
  }
}
