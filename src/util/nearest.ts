/** The known name that a mistyped one was meant to be: for the hints of errors. */

/** Insertions, deletions and replacements between two words, letters taken for the same in either case. */
const distance = (a: string, b: string): number => {
  const [from, to] = [a.toLowerCase(), b.toLowerCase()];
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, (row[j - 1] as number) + (from[i - 1] === to[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[to.length] as number;
};

/** The nearest of `known`; the first among equals; null where there is none. */
export const nearest = (name: string, known: readonly string[]): string | null =>
  known.reduce<{ readonly name: string; readonly at: number } | null>((best, each) => {
    const at = distance(name, each);
    return best === null || at < best.at ? { name: each, at } : best;
  }, null)?.name ?? null;
