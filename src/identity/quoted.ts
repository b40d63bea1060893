const maxShownLength = 80;

/**
 * A text from a certificate or a message, quoted so that it can stand in one line of a log: bounded
 * in length, with control and formatting characters escaped. Text that a stranger chose must not
 * move a terminal's cursor or turn the direction of writing.
 */
export function quoted(text: string): string {
  const cut = text.length > maxShownLength ? `${text.slice(0, maxShownLength)}...` : text;
  return JSON.stringify(cut).replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
