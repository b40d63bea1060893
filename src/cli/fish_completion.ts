/** A completion script for fish, 3.0 or later. */
import {
  type CompletionFlag,
  type CompletionPlace,
  type CompletionValue,
  pathsBelow,
} from "./completion_tree.ts";

/** The script: `aetherport.fish` in fish's folder of completions, or to be sourced. */
export function fishCompletion(places: readonly CompletionPlace[]): string {
  const paths = places.flatMap(pathsBelow).map(quote).join(" ");
  return `# fish completion for aetherport.
# Prints the commands' names that stand first; then how many other words follow them.
function __aetherport_place
    set -l path
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        contains -- (string join -- ' ' $path $words[1]) ${paths}
        or break
        set -a path $words[1]
        set -e words[1]
    end
    echo "$path"
    count $words
end

# Whether these commands' names, and no others, stand first.
function __aetherport_in
    set -l place (__aetherport_place)
    test "$place[1]" = "$argv[1]"
end

# The same, with nothing after them.
function __aetherport_next
    set -l place (__aetherport_place)
    test "$place[1]" = "$argv[1]" -a "$place[2]" = 0
end

complete -c aetherport -f
${places.flatMap(placeLines).join("\n")}
`;
}

function placeLines({ path, commands, flags, operand }: CompletionPlace): string[] {
  const here = `complete -c aetherport -n ${quote(`__aetherport_in ${quote(path)}`)}`;
  const next = `complete -c aetherport -n ${quote(`__aetherport_next ${quote(path)}`)}`;
  return [
    ...commands.map(({ name, description }) =>
      `${next} -a ${quote(quote(name))} -d ${quote(description)}`
    ),
    ...flags.map((flag) => `${here} ${flagWords(flag)}`),
    ...operand.type === "other" ? [] : [`${here} ${valueWords(operand)}`],
  ];
}

function flagWords({ names, description, value }: CompletionFlag): string {
  const spelled = names.map((name) =>
    name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`
  );
  const values = value === undefined ? [] : ["-r", valueWords(value)];
  return [...spelled, "-d", quote(description), ...values].join(" ");
}

function valueWords(value: CompletionValue): string {
  switch (value.type) {
    case "choices":
      // What is in it is read as words of fish once more.
      return `-f -a ${quote(value.choices.map(quote).join(" "))}`;
    case "file":
      return "-F";
    case "other":
      return "-f";
    default:
      return value satisfies never;
  }
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
