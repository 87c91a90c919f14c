/**
 * Interleaved timing: every round measures every variant once, one after the other, so that a slow minute of the host hits all of them.
 *
 *   variants ─verify─▶ warm up ─▶ round 1: A B C │ round 2: C A B │ …  ─▶ raw samples ─▶ medians, minima, ratios round by round
 *
 * Not here: what is measured (*.bench.ts), where results go (results.ts).
 */

export interface Variant {
  readonly name: string;
  /** Does the work once or more and returns the seconds of each time; all samples of a round count as one by their median. */
  readonly measure: () => number | readonly number[] | Promise<number | readonly number[]>;
}

export interface Samples {
  readonly name: string;
  /** Seconds, one list a round. */
  readonly rounds: readonly (readonly number[])[];
  readonly median: number;
  readonly best: number;
}

export interface Ratio {
  readonly name: string;
  /** One ratio a round, both sides measured in that round. */
  readonly rounds: readonly number[];
  readonly median: number;
  /** The ratio of the two best samples: what a quiet host would show. */
  readonly best?: number;
  readonly goal?: string;
}

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low, high] = [sorted[Math.max(0, sorted.length % 2 === 0 ? middle - 1 : middle)], sorted[middle]];
  if (low === undefined || high === undefined) throw new Error('a median needs a value');
  return (low + high) / 2;
};

/** Runs `rounds` rounds after one that is thrown away; the order turns by one place a round. */
export const interleave = async (variants: readonly Variant[], rounds: number): Promise<readonly Samples[]> => {
  const lists = variants.map((): number[][] => []);
  for (let round = -1; round < rounds; round++) {
    for (let i = 0; i < variants.length; i++) {
      const index = (i + Math.max(0, round)) % variants.length;
      const variant = variants[index] as Variant;
      const measured = await variant.measure();
      if (round >= 0) lists[index]?.push(typeof measured === 'number' ? [measured] : [...measured]);
    }
  }
  return variants.map(({ name }, index) => {
    const own = lists[index] as number[][];
    return { name, rounds: own, median: median(own.map(median)), best: Math.min(...own.flat()) };
  });
};

const find = (samples: readonly Samples[], name: string): Samples | undefined => samples.find((s) => s.name === name);

/** `over` seconds ÷ `under` seconds, round by round, times a constant; null where one of them was not measured. */
export const ratio = (samples: readonly Samples[], name: string, over: string, under: string, goal?: string, factor = 1): Ratio | null => {
  const a = find(samples, over), b = find(samples, under);
  if (a === undefined || b === undefined) return null;
  const rounds = a.rounds.map((list, i) => (factor * median(list)) / median(b.rounds[i] as readonly number[]));
  return { name, rounds, median: median(rounds), best: (factor * a.best) / b.best, ...(goal === undefined ? {} : { goal }) };
};

/** Round by round a ÷ b of two ratios. */
export const quotient = (name: string, a: Ratio | null, b: Ratio | null, goal?: string): Ratio | null => {
  if (a === null || b === null) return null;
  const rounds = a.rounds.map((value, i) => value / (b.rounds[i] as number));
  return { name, rounds, median: median(rounds), ...(a.best === undefined || b.best === undefined ? {} : { best: a.best / b.best }), ...(goal === undefined ? {} : { goal }) };
};

/** Round by round 1 − a ratio: the share that is left. */
export const complement = (name: string, a: Ratio | null, goal?: string): Ratio | null =>
  a === null ? null : { name, rounds: a.rounds.map((value) => 1 - value), median: 1 - a.median, ...(a.best === undefined ? {} : { best: 1 - a.best }), ...(goal === undefined ? {} : { goal }) };

/** Mean seconds of `times` runs. */
export const timeOf = (work: () => void, times: number): number => {
  const start = performance.now();
  for (let i = 0; i < times; i++) work();
  return (performance.now() - start) / 1000 / times;
};
