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
    const watched = new Watched(folder, await prepare(folder));
    await watched.#changed.promise;
    return watched;
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
  name: "tells of what a link leads to, of each link on the way, and of a link in the file's place",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using watched = await Watched.start(async (folder) => {
      for (const name of ["etc", "one", "two"]) await Deno.mkdir(`${folder}/${name}`);
      for (const name of ["one", "two"]) await Deno.writeTextFile(`${folder}/${name}/c.toml`, name);
      await Deno.symlink("one", `${folder}/current`);
      await Deno.symlink("../current/c.toml", `${folder}/etc/c.toml`);
      return `${folder}/etc/c.toml`;
    });
    const { folder } = watched;
    const link = async (target: string, path: string) => {
      await Deno.symlink(target, `${folder}/new`);
      await Deno.rename(`${folder}/new`, `${folder}/${path}`);
    };
    await watched.seen(() => Deno.writeTextFile(`${folder}/one/c.toml`, "hold = 1"));
    await watched.seen(() => link("two", "current"));
    await watched.seen(() => Deno.writeTextFile(`${folder}/two/c.toml`, "hold = 2"));
    await watched.seen(() => link("../one/c.toml", "etc/c.toml"));
    await watched.seen(() => Deno.writeTextFile(`${folder}/one/c.toml`, "hold = 3"));
  },
});

Deno.test("tells of a folder that takes the place of the file's, and of the file there", async () => {
  await using watched = await Watched.start(async (folder) => {
    for (const name of ["etc", "new"]) {
      await Deno.mkdir(`${folder}/${name}`);
      await Deno.writeTextFile(`${folder}/${name}/c.toml`, name);
    }
    return `${folder}/etc/c.toml`;
  });
  const { folder } = watched;
  await watched.seen(async () => {
    await Deno.rename(`${folder}/etc`, `${folder}/old`);
    await Deno.rename(`${folder}/new`, `${folder}/etc`);
  });
  await watched.seen(() => Deno.writeTextFile(`${folder}/etc/c.toml`, "hold = 1"));
});
