/** A completion script for bash, 3.2 or later. */
import {
  type CompletionFlag,
  type CompletionPlace,
  type CompletionValue,
  pathsBelow,
} from "./completion_tree.ts";

/** The script. It uses nothing but bash itself. */
export function bashCompletion(places: readonly CompletionPlace[]): string {
  const paths = places.flatMap(pathsBelow).map(quote).join(" | ");
  return `# bash completion for aetherport; source it, or put it into bash-completion's folder.
_aetherport_offer() {
  local candidate
  for candidate; do
    [[ $candidate == "$word"* ]] && COMPREPLY+=("$candidate")
  done
}

_aetherport_files() {
  local file
  compopt -o filenames 2>/dev/null
  while IFS= read -r file; do COMPREPLY+=("$file"); done < <(compgen -f -- "$word")
}

_aetherport() {
  local path= at i word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  # Of --flag=value, bash makes three words.
  if [[ $word == = ]]; then
    word=
  elif [[ $before == = ]] && ((COMP_CWORD > 1)); then
    before=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    at="\${path:+$path }\${COMP_WORDS[i]}"
    case $at in
      ${paths}) path=$at ;;
      *) break ;;
    esac
  done
  case $path in
${places.map(placeCase).join("\n")}
  esac
}

complete -F _aetherport aetherport
`;
}

function placeCase(place: CompletionPlace): string {
  const flags = place.flags.flatMap(({ names }) => names).map(quote).join(" ");
  const commands = place.commands.map(({ name }) => quote(name)).join(" ");
  return `    ${quote(place.path)})
      case $before in
${valueCases(place.flags)}        *) ;;
      esac
      if [[ $word != -* ]]; then
        ${commands === "" ? ":" : `((i == COMP_CWORD)) && _aetherport_offer ${commands}`}
        ${offer(place.operand)}
      fi
      ((\${#COMPREPLY[@]})) || _aetherport_offer ${flags}
      ;;`;
}

/** One case for all flags that take the same. */
function valueCases(flags: readonly CompletionFlag[]): string {
  const namesOf = new Map<string, string[]>();
  for (const { names, value } of flags) {
    if (value === undefined) continue;
    const offered = offer(value);
    namesOf.set(offered, [...namesOf.get(offered) ?? [], ...names.map(quote)]);
  }
  return [...namesOf].map(([offered, names]) =>
    `        ${names.join(" | ")}) ${offered}; return ;;\n`
  ).join("");
}

function offer(value: CompletionValue): string {
  switch (value.type) {
    case "choices":
      return `_aetherport_offer ${value.choices.map(quote).join(" ")}`;
    case "file":
      return "_aetherport_files";
    case "other":
      return ":";
    default:
      return value satisfies never;
  }
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
