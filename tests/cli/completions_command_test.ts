import { deepEqual, equal, match, ok } from "node:assert/strict";
import { Command, Option } from "commander";
import { bashCompletion } from "../../src/cli/bash_completion.ts";
import { benchCommand } from "../../src/cli/bench_command.ts";
import { certCommand } from "../../src/cli/cert_command.ts";
import { completionPlaces } from "../../src/cli/completion_tree.ts";
import { fishCompletion } from "../../src/cli/fish_completion.ts";
import { proxyCommand } from "../../src/cli/proxy_command.ts";
import { signalCommand } from "../../src/cli/signal_command.ts";
import { zshCompletion } from "../../src/cli/zsh_completion.ts";
import { isInstalled } from "../peers/peer_process.ts";
import { runProgram } from "../program/run_program.ts";

/** What completes the words of a command line in one shell; the last word is the unfinished one. */
type Completer = (words: readonly string[], folder?: string) => Promise<string[]>;

const hasFish = await isInstalled("fish", ["--version"], "completion");
const hasZsh = await isInstalled("zsh", ["--version"], "completion");

async function output(
  program: string,
  args: readonly string[],
  { cwd, env = {} }: { cwd?: string | undefined; env?: Record<string, string> } = {},
): Promise<string> {
  const { stdout, stderr, success } = await new Deno.Command(program, {
    args: [...args],
    stdin: "null",
    env: { TERM: "dumb", ...env },
    ...(cwd === undefined ? {} : { cwd }),
  }).output();
  const decoder = new TextDecoder();
  equal(decoder.decode(stderr), "");
  ok(success);
  return decoder.decode(stdout);
}

function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line !== "");
}

async function scriptOf(shell: string): Promise<string> {
  const { code, stdout, stderr } = await runProgram(["completions", shell]);
  deepEqual([code, stderr], [0, ""]);
  return stdout;
}

function bashCompleter(script: string): Completer {
  const code = `${script}
words=("$@"); COMP_WORDS=(aetherport "\${words[@]}"); COMP_CWORD=$#
_aetherport 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return async (words, cwd) =>
    linesOf(await output("bash", ["-c", code, "bash", ...words], { cwd }));
}

function fishCompleter(script: string): Completer {
  const code = `${script}\ncomplete -C "$LINE"`;
  return async (words, cwd) => {
    const home = await Deno.makeTempDir();
    const env = { HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home };
    const LINE = ["aetherport", ...words].join(" ");
    const args = ["--no-config", "-c", code];
    const found = await output("fish", args, { cwd, env: { ...env, LINE } });
    await Deno.remove(home, { recursive: true });
    return linesOf(found).map((line) => line.split("\t")[0] ?? "");
  };
}

/** zsh completes in a terminal only; what it would add there goes to a file. */
const zshSetup = `
PS1= PS2=
unsetopt prompt_cr prompt_sp
zstyle ':completion:*' insert-tab false
autoload -U compinit
compinit -D -u
source $SCRIPT
bindkey '^I' complete-word
comppostfuncs=(exit)
compadd() {
  if [[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]]; then
    builtin compadd "$@"
    return
  fi
  typeset -a hits
  builtin compadd -A hits "$@"
  (( $#hits )) && print -rl -- $hits >> $FOUND
}
`.replaceAll("\\$", "$");

const zshStage = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "source $SETUP"
zpty -w -n shell "$LINE"$'\t'
while zpty -r shell > /dev/null; do :; done
zpty -d shell
`;

function zshCompleter(script: string): Completer {
  return async (words, cwd) => {
    const home = await Deno.makeTempDir();
    const env = {
      HOME: home,
      SCRIPT: `${home}/script`,
      SETUP: `${home}/setup`,
      FOUND: `${home}/found`,
      LINE: ["aetherport", ...words].join(" "),
    };
    await Promise.all([
      Deno.writeTextFile(env.SCRIPT, script),
      Deno.writeTextFile(env.SETUP, zshSetup),
      Deno.writeTextFile(env.FOUND, ""),
    ]);
    await output("zsh", ["-f", "-c", zshStage], { cwd, env });
    const found = await Deno.readTextFile(env.FOUND);
    await Deno.remove(home, { recursive: true });
    return linesOf(found);
  };
}

const all: [words: string[], found: string[]][] = [
  [["be"], ["bench"]],
  [["cert", "ge"], ["generate", "generate-ca"]],
  [["cert", "generate", "--cak"], ["--cakey"]],
  [["--aetherlight-in"], ["--aetherlight-ingress-url"]],
  [["--exit", "--allow", "a:1", "--rel"], ["--relay-only"]],
  [["bench", "--du"], ["--duration"]],
  [["bench", "--forw"], []],
  [["--log-format", ""], ["json", "text"]],
  [["signal", "--trust"], ["--trust-proxy"]],
  [["completions", "z"], ["zsh"]],
  [["help", "sig"], ["signal"]],
];

async function assertCompletes(complete: Completer): Promise<void> {
  const found = await Promise.all(all.map(([words]) => complete(words)));
  for (const [position, [words, expected]] of all.entries()) {
    deepEqual(found[position]?.toSorted(compare), expected, words.join(" "));
  }
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

async function assertCompletesFiles(complete: Completer): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/a key.pem`, "");
    await Deno.writeTextFile(`${folder}/node-key.pem`, "");
    for (const words of [["--key", "node"], ["cert", "show", "node"], ["signal", "--kv", "node"]]) {
      deepEqual(await complete(words, folder), ["node-key.pem"], words.join(" "));
    }
    deepEqual(await complete(["--hold", "node"], folder), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("bash completes commands, flags and their values", async () => {
  await assertCompletes(bashCompleter(await scriptOf("bash")));
});

Deno.test("bash completes files where a file is due, and nothing where nothing is known", async () => {
  const complete = bashCompleter(await scriptOf("bash"));
  await assertCompletesFiles(complete);
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/a key.pem`, "");
  deepEqual(await complete(["--key", "a"], folder), ["a key.pem"]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("bash completes what stands behind an equals sign", async () => {
  const complete = bashCompleter(await scriptOf("bash"));
  deepEqual(await complete(["--log-format", "="]), ["text", "json"]);
  deepEqual(await complete(["--log-format", "=", "j"]), ["json"]);
});

Deno.test("bash offers the commands where nothing is typed yet, and flags after a flag", async () => {
  const complete = bashCompleter(await scriptOf("bash"));
  deepEqual(
    (await complete([""])).filter((word) => ["proxy", "cert", "signal", "help"].includes(word)),
    ["proxy", "cert", "signal", "help"],
  );
  ok((await complete(["--relay-only", ""])).includes("--forward"));
});

Deno.test("every flag of every command is completed", async () => {
  const nothing = () => Promise.resolve();
  const commands = new Map([
    ["proxy", proxyCommand(nothing)],
    ["bench", benchCommand(nothing)],
    ["cert", certCommand()],
    ["signal", signalCommand()],
  ]);
  const complete = bashCompleter(bashCompletion(completionPlaces(commands)));
  const all = [...commands].flatMap(([name, command]) => [
    { words: [name], command },
    ...command.commands.map((each) => ({ words: [name, each.name()], command: each })),
  ]);
  for (const { words, command } of [{ words: [], command: all[0]?.command }, ...all]) {
    const found = await complete([...words, "--"]);
    const expected = command?.options.flatMap(({ long }) => long ?? []) ?? [];
    deepEqual(expected.filter((flag) => !found.includes(flag)), [], words.join(" "));
  }
});

Deno.test("a new command with its flags needs nothing but its commander command", async () => {
  const secret = new Option("--secret <file>", "it's [quoted]: \\ $HOME `x`");
  const mode = new Option("-m, --mode <mode>", "how").choices(["it's", "two"]);
  const fresh = new Command("fresh").description("don't: [x]").addOption(secret).addOption(mode);
  const places = completionPlaces(new Map([["fresh", fresh]]));
  const complete = bashCompleter(bashCompletion(places));
  deepEqual(await complete(["fr"]), ["fresh"]);
  deepEqual(await complete(["fresh", "--mode", "i"]), ["it's"]);
  deepEqual(await complete(["fresh", "--s"]), ["--secret"]);
  if (hasZsh) {
    const complete = zshCompleter(zshCompletion(places));
    deepEqual(await complete(["fr"]), ["fresh"]);
    deepEqual(await complete(["fresh", "--s"]), ["--secret"]);
  }
  if (hasFish) {
    const complete = fishCompleter(fishCompletion(places));
    deepEqual(await complete(["fresh", "--mode", "i"]), ["it's"]);
    deepEqual(await complete(["fresh", "--s"]), ["--secret"]);
  }
});

Deno.test("completions of an unknown shell end with 2", async () => {
  const { code, stdout, stderr } = await runProgram(["completions", "tcsh"]);
  deepEqual([code, stdout], [2, ""]);
  match(stderr, /^aetherport: .*bash, zsh, fish\.\n$/);
});

Deno.test({
  name: "fish completes commands, flags, their values and files",
  ignore: !hasFish,
  fn: async () => {
    const complete = fishCompleter(await scriptOf("fish"));
    await assertCompletes(complete);
    await assertCompletesFiles(complete);
  },
});

Deno.test({
  name: "zsh completes commands, flags, their values and files",
  ignore: !hasZsh,
  fn: async () => {
    const complete = zshCompleter(await scriptOf("zsh"));
    await assertCompletes(complete);
    await assertCompletesFiles(complete);
  },
});
