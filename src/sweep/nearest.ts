/** The known name that a mistyped one most likely means. Not here: what names there are. */

/** Changes of a character, and swaps of neighbours, that lead from one text to the other. */
const distance = (a: string, b: string): number => {
  let before: readonly number[] = [], row: readonly number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1, swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + same, swapped ? (before[j - 2] ?? 0) + 1 : Infinity));
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
};

/** The one of `known` that is closest to `name`, the first of several; null where there is none. Small and capital letters are alike. */
export const nearestName = (name: string, known: readonly string[]): string | null =>
  known.reduce<{ readonly name: string | null; readonly far: number }>((best, candidate) => {
    const far = distance(name.toLowerCase(), candidate.toLowerCase());
    return far < best.far ? { name: candidate, far } : best;
  }, { name: null, far: Infinity }).name;
