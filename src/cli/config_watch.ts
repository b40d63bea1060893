/** Tells when a config file may have changed. */
import { getLogger } from "@logtape/logtape";
import { folderOf } from "../config/config_file.ts";
import { messageOf } from "../message_of.ts";
import { onHangUp } from "./hang_up.ts";

const log = getLogger(["aetherport", "cli"]);

/** What happens to a folder within this time is one change, in ms. */
const debounce = 200;

/** Who is told. */
export interface ConfigWatchHandler {
  /** Somebody asks for the file to be read again. */
  handleSignal(): void;
  /** Something in the file's folder has changed. */
  handleChange(): void;
}

/**
 * Watches until closed: SIGHUP, and the folders of the file and of what it links to, as editors and
 * deployments put a new file in the place of the old one.
 */
export class ConfigWatch {
  readonly #path: string;
  readonly #handler: ConfigWatchHandler;
  readonly #stopListening: () => void;
  #watcher: Deno.FsWatcher | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(path: string, handler: ConfigWatchHandler) {
    this.#path = path;
    this.#handler = handler;
    this.#stopListening = onHangUp(() => handler.handleSignal());
    void this.#watch();
  }

  close(): void {
    this.#stopListening();
    clearTimeout(this.#timer);
    this.#watcher?.close();
    this.#watcher = undefined;
  }

  async #watch(): Promise<void> {
    try {
      const target = Deno.realPathSync(this.#path);
      const folders = new Set([this.#path, target].map(folderOf));
      this.#watcher = Deno.watchFs([...folders], { recursive: false });
      for await (const { kind } of this.#watcher) if (kind !== "access") this.#expectChange();
    } catch (error) {
      log.warn("{path} cannot be watched, send SIGHUP when it has changed: {problem}", {
        ...{ event: "unwatched", path: this.#path, problem: messageOf(error) },
      });
    }
  }

  #expectChange(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#handler.handleChange();
    }, debounce);
  }
}
