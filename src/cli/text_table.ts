/** Tables for terminals: columns as wide as their widest cell, those of numbers set to the right. */

/** What separates columns. */
const gap = "  ";
/** What a terminal might obey: a peer's words stay words. */
const control = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/**
 * Writes rows of cells, the first of which are the titles, a line each. Columns whose titles are in
 * `toRight` are aligned to the right.
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  toRight: readonly string[] = [],
): string[] {
  const [titles = []] = rows;
  const widths = titles.map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0))
  );
  return rows.map((cells) =>
    cells.map((cell, column) => {
      const [width = 0, isToRight] = [widths[column], toRight.includes(titles[column] ?? "")];
      return isToRight ? cell.padStart(width) : cell.padEnd(width);
    }).join(gap).trimEnd()
  );
}

/** A text as one line that no terminal obeys, cut where it is longer than `maxLength`. */
export function asCell(text: string, maxLength = Infinity): string {
  const plain = text.replace(control, " ");
  return plain.length <= maxLength ? plain : `${plain.slice(0, maxLength - 1)}…`;
}
