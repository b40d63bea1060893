/** A completion script for zsh. */
import {
  type CompletionFlag,
  type CompletionName,
  type CompletionPlace,
  type CompletionValue,
  pathsBelow,
} from "./completion_tree.ts";

/** The script: `_aetherport` in a folder of \`fpath\`, or to be sourced after \`compinit\`. */
export function zshCompletion(places: readonly CompletionPlace[]): string {
  const paths = places.flatMap(pathsBelow).map(quote).join(" | ");
  return `#compdef aetherport
# zsh completion for aetherport: _aetherport in a folder of $fpath, or sourced after compinit.
_aetherport() {
  local at= next
  local -i i
  local -a names
  for ((i = 2; i < CURRENT; i++)); do
    next="\${at:+$at }$words[i]"
    case $next in
      ${paths}) at=$next ;;
      *) break ;;
    esac
  done
  # What follows the last command's name.
  local -i is_next=$((i == CURRENT))
  shift $((i - 2)) words
  ((CURRENT -= i - 2))
  case $at in
${places.map(placeCase).join("\n")}
  esac
}

if [[ $funcstack[1] == _aetherport ]]; then
  _aetherport "$@"
else
  compdef _aetherport aetherport
fi
`;
}

function placeCase({ path, commands, flags, operand }: CompletionPlace): string {
  const specs = [...flags.flatMap(flagSpecs), ...operandSpecs(operand)];
  return `    ${quote(path)})
${commands.length === 0 ? "" : commandNames(commands)}      _arguments -S : \\
${specs.map((spec) => `        ${quote(spec)}`).join(" \\\n")}
      ;;`;
}

function commandNames(commands: readonly CompletionName[]): string {
  const names = commands.map(({ name, description }) =>
    quote(`${escape(name, ":")}:${description}`)
  );
  return `      if ((is_next)) && [[ $words[CURRENT] != -* ]]; then
        names=(
          ${names.join("\n          ")}
        )
        _describe command names
        return
      fi
`;
}

/** One for each name, of which a flag that is not repeatable takes only one, and once. */
function flagSpecs({ names, description, value, isRepeatable }: CompletionFlag): string[] {
  const prefix = isRepeatable ? "*" : `(${names.join(" ")})`;
  const explanation = `[${escape(description, "[]:")}]`;
  return names.map((name) => {
    const assign = value === undefined ? "" : name.startsWith("--") ? "=" : "+";
    return `${prefix}${name}${assign}${explanation}${value === undefined ? "" : action(value)}`;
  });
}

function operandSpecs(value: CompletionValue): string[] {
  return value.type === "other" ? [] : [`*${action(value)}`];
}

function action(value: CompletionValue): string {
  switch (value.type) {
    case "choices":
      return `:value:(${value.choices.join(" ")})`;
    case "file":
      return ":file:_files";
    case "other":
      return ":value: ";
    default:
      return value satisfies never;
  }
}

function escape(text: string, special: string): string {
  return [...text].map((one) => one === "\\" || special.includes(one) ? `\\${one}` : one).join("");
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
