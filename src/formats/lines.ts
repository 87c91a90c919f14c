/** Lines for a terminal: numbers, names out of files, tables. The same in every locale. Not here: what is said (inspect.ts, checkpoint/describe.ts). */

/** Text out of a file for a terminal: nothing in it can move the cursor or turn the writing direction. */
export const printable = (text: string): string => text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${(c.codePointAt(0) ?? 0).toString(16)}}`);

/** 1234567 → 1,234,567, the same in every locale. */
export const grouped = (n: number): string => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
/** 1 tensor, 2 tensors. */
export const count = (n: number, noun: string): string => `${grouped(n)} ${noun}${n === 1 ? '' : 's'}`;
/** A share with one decimal. */
export const percent = (part: number, whole: number): string => `${((100 * part) / Math.max(1, whole)).toFixed(1)} %`;

/** Columns side by side; those in `right` end on one line. */
export const table = (lines: readonly (readonly string[])[], right: readonly number[]): string[] => {
  const widths = (lines[0] ?? []).map((_, column) => lines.reduce((width, line) => Math.max(width, [...(line[column] ?? '')].length), 0));
  const cell = (text: string, column: number): string => {
    const room = ' '.repeat((widths[column] ?? 0) - [...text].length);
    return right.includes(column) ? room + text : text + room;
  };
  return lines.map((line) => line.map(cell).join('  ').trimEnd());
};
