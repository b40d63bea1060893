/**
 * The identity that is in force: the files are looked at whenever a link is made, so that a renewed
 * certificate or another set of authorities is taken up without a restart. It starts no timer and
 * watches nothing.
 */
import { loadNodeIdentity, type NodeIdentity, type NodeIdentityFiles } from "./node_identity.ts";

/** What a {@link NodeIdentitySource} needs besides the files. */
export interface NodeIdentitySourceOptions {
  /** Told once, in one line, of new files that cannot be used. */
  readonly warn: (message: string) => void;
  /** The clock: milliseconds since 1970. */
  readonly now?: () => number;
}

/** Gives the identity of its files, newly read where they have changed. */
export class NodeIdentitySource {
  readonly #files: NodeIdentityFiles;
  readonly #warn: (message: string) => void;
  readonly #now: () => number;
  #identity: NodeIdentity;
  /** What the files looked like when they were last read, whether or not they could be used. */
  #stamp: string;
  #refresh: Promise<void> | undefined;

  private constructor(
    { files, identity, stamp, options }: {
      files: NodeIdentityFiles;
      identity: NodeIdentity;
      stamp: string;
      options: NodeIdentitySourceOptions;
    },
  ) {
    this.#files = files;
    this.#identity = identity;
    this.#stamp = stamp;
    this.#warn = options.warn;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Reads the files for the first time.
   *
   * @throws {BadInput} as {@link loadNodeIdentity}: there is no older identity to keep
   */
  static async open(
    files: NodeIdentityFiles,
    options: NodeIdentitySourceOptions,
  ): Promise<NodeIdentitySource> {
    const stamp = await stampOf(files);
    const identity = await loadNodeIdentity(files, options.now?.());
    return new NodeIdentitySource({ files, identity, stamp, options });
  }

  /** The identity to use for a new link. Where new files are bad, the one before stays. */
  async current(): Promise<NodeIdentity> {
    this.#refresh ??= this.#refreshOnce().finally(() => this.#refresh = undefined);
    await this.#refresh;
    return this.#identity;
  }

  async #refreshOnce(): Promise<void> {
    // Taken before the files are read: what changes during the reading shows the next time.
    const stamp = await stampOf(this.#files);
    if (stamp === this.#stamp) return;
    this.#stamp = stamp;
    try {
      this.#identity = await loadNodeIdentity(this.#files, this.#now());
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#warn(`keeping the identity of "${this.#identity.name}" as it was loaded: ${why}`);
    }
  }
}

/** Time, size and inode of each file: any way of replacing one changes at least one of them. */
async function stampOf({ keyPath, certPath, caPaths }: NodeIdentityFiles): Promise<string> {
  const stamps = await Promise.all([keyPath, certPath, ...caPaths].map(fileStamp));
  return stamps.join("|");
}

async function fileStamp(path: string): Promise<string> {
  try {
    const { mtime, ctime, size, ino, mode } = await Deno.stat(path);
    return [mtime?.getTime(), ctime?.getTime(), size, ino, mode].join(" ");
  } catch (error) {
    // Missing or out of reach is a state like any other; reading the file will tell why.
    return error instanceof Error ? error.name : "unreadable";
  }
}
