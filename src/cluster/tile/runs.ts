/** Runs of neighbouring slabs that are worked off alike, so that one kernel call serves them. Not here: which kernel (sweep-sparse.ts, sweep-live.ts). */

/** Calls `run` for every longest run of slabs first … first + count − 1 of one kind. */
export const eachRun = <K>(slabs: number, kindOf: (p: number) => K, run: (kind: K, first: number, count: number) => void): void => {
  for (let p = 0; p < slabs; ) {
    const kind = kindOf(p), first = p;
    while (p < slabs && kindOf(p) === kind) p++;
    run(kind, first, p - first);
  }
};
