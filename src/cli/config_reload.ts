/** Takes a changed config file up while the node runs. */
import { getLogger } from "@logtape/logtape";
import { readConfigFile } from "../config/config_file.ts";
import { messageOf } from "../message_of.ts";
import type { LoadedProxy, ProxyConfig } from "./proxy_command.ts";
import type { ConfigWatchHandler } from "./config_watch.ts";

const log = getLogger(["aetherport", "cli"]);

/** Puts options into force; says what it did, for the log. */
export type ApplyOptions = (loaded: LoadedProxy) => Promise<Readonly<Record<string, number>>>;

/** What is needed to take a file up. */
export interface ConfigReloadOptions {
  readonly config: ProxyConfig;
  readonly apply: ApplyOptions;
  /** The attributes of the flags that `apply` puts into force; others wait for a restart. */
  readonly applied: ReadonlySet<string>;
  /** Called before the file is read, and once it is taken up, or is not. */
  readonly handleBegin: () => void;
  readonly handleEnd: () => void;
}

/** Reads one file, again and again. A bad one changes nothing. */
export class ConfigReload implements ConfigWatchHandler {
  readonly #options: ConfigReloadOptions;
  /** What the file said when it was last read, good or bad; undefined where it could not be. */
  #text: string | undefined;
  /** One after another. */
  #work: Promise<void> = Promise.resolve();
  /** What is to be done once the reading under way is over. */
  #pending: { isForced: boolean } | undefined;

  constructor(options: ConfigReloadOptions) {
    this.#options = options;
    this.#text = options.config.first.text;
  }

  handleSignal(): void {
    this.#request({ isForced: true });
  }

  handleChange(): void {
    this.#request({ isForced: false });
  }

  #request({ isForced }: { readonly isForced: boolean }): void {
    if (this.#pending !== undefined) {
      this.#pending.isForced ||= isForced;
      return;
    }
    const pending = this.#pending = { isForced };
    this.#work = this.#work.then(async () => {
      this.#pending = undefined;
      const text = await this.#readText();
      if (!pending.isForced && text === this.#text) return;
      this.#text = text;
      await this.#reload();
    });
  }

  /** Undefined where it cannot be read. */
  async #readText(): Promise<string | undefined> {
    try {
      return (await readConfigFile(this.#options.config.path)).text;
    } catch (error) {
      log.debug("{problem}", { problem: messageOf(error) });
      return undefined;
    }
  }

  async #reload(): Promise<void> {
    const { config, apply, handleBegin, handleEnd } = this.#options;
    const { path } = config;
    handleBegin();
    try {
      const loaded = await config.load();
      const counts = await apply(loaded);
      for (const warning of loaded.warnings) log.warn("{warning}", { event: "config", warning });
      this.#sayWhatWaits(loaded);
      const did = Object.entries(counts).map(([what, count]) => `${count} ${words(what)}`);
      log.info("{path} was read again: {did}", {
        ...{ event: "reloaded", path, did: did.join(", "), ...counts },
      });
    } catch (error) {
      const problem = messageOf(error);
      log.error("{path} is not taken up, and all stays as it was: {problem}", {
        ...{ event: "reload-failed", path, problem },
      });
    } finally {
      handleEnd();
    }
  }

  #sayWhatWaits({ settings, options }: LoadedProxy): void {
    const { config, applied } = this.#options;
    const before = config.first.settings;
    const names = new Set([...Object.keys(before), ...Object.keys(settings)]);
    for (const name of names) {
      const isSame = JSON.stringify(before[name]) === JSON.stringify(settings[name]);
      if (!isSame && !applied.has(name)) sayRestart(flagOf(name));
    }
    const [was, is] = [config.first.options.signaling.type, options.signaling.type];
    if (was !== is) sayRestart(`signal-type (${was}, now ${is})`);
  }
}

function sayRestart(key: string): void {
  log.warn("{key} has changed: restart to apply", { event: "restart-needed", key });
}

/** A flag's name from its attribute. */
function flagOf(attribute: string): string {
  return attribute.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `forwardsAdded` as words. */
function words(name: string): string {
  return flagOf(name).replaceAll("-", " ");
}
