import { ConfigWatch } from "../../src/cli/config_watch.ts";

/** A folder, and a watch whose changes can be awaited. */
class Watched implements AsyncDisposable {
  #changed = Promise.withResolvers<void>();
  readonly #watch: ConfigWatch;

  private constructor(readonly folder: string, path: string) {
    this.#watch = new ConfigWatch(path, {
      handleSignal: () => {},
      handleChange: () => this.#changed.resolve(),
    });
  }

  static async start(prepare: (folder: string) => Promise<string>): Promise<Watched> {
    const folder = await Deno.makeTempDir();
    return new Watched(folder, await prepare(folder));
  }

  /** Does it; returns when a change was told afterwards. */
  async seen(change: () => Promise<void>): Promise<void> {
    this.#changed = Promise.withResolvers();
    await change();
    await this.#changed.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch.close();
    await Deno.remove(this.folder, { recursive: true });
  }
}

Deno.test("tells of a file that is written, and of one that takes its place", async () => {
  await using watched = await Watched.start(async (folder) => {
    await Deno.writeTextFile(`${folder}/c.toml`, "");
    return `${folder}/c.toml`;
  });
  const path = `${watched.folder}/c.toml`;
  await watched.seen(() => Deno.writeTextFile(path, "hold = 1"));
  await Deno.writeTextFile(`${watched.folder}/new`, "hold = 2");
  await watched.seen(() => Deno.rename(`${watched.folder}/new`, path));
  await watched.seen(() => Deno.remove(path));
  await watched.seen(() => Deno.writeTextFile(path, "hold = 3"));
});

Deno.test({
  name: "tells of what a link leads to, and of a link that leads elsewhere",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using watched = await Watched.start(async (folder) => {
      for (const name of ["etc", "one", "two"]) await Deno.mkdir(`${folder}/${name}`);
      for (const name of ["one", "two"]) await Deno.writeTextFile(`${folder}/${name}/c.toml`, "");
      await Deno.symlink("../one/c.toml", `${folder}/etc/c.toml`);
      return `${folder}/etc/c.toml`;
    });
    const { folder } = watched;
    await watched.seen(() => Deno.writeTextFile(`${folder}/one/c.toml`, "hold = 1"));
    await Deno.symlink("../two/c.toml", `${folder}/etc/new`);
    await watched.seen(() => Deno.rename(`${folder}/etc/new`, `${folder}/etc/c.toml`));
  },
});
