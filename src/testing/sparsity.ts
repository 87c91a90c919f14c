/**
 * Arbitrary sparsity that fits a model: all algorithms, patterns, first masks, balances, schedules and densities, with the extremes drawn often.
 *
 *   aSparsity(model) ─▶ Sparsity, or undefined where the model has no weight that may be sparse
 *
 * Not here: what it means (docs/numerics.md §14), trainings that use it (training.ts).
 */
import fc from 'fast-check';
import { sparsity, type MaskBalance, type MaskInit, type MaskPattern, type Model, type Sparsity, type SparsityAlgorithm, type SparsityOptions } from '../index.js';
import type { HyperparameterLike } from '../model/sparsity.js';

/** What `aSparsity` may draw. */
export interface SparsityChoices {
  /** All four unless given. */
  readonly algorithms?: readonly SparsityAlgorithm[];
}

type Candidate = { readonly name: string; readonly inputs: number; readonly outputs: number };

/** Weights that may be sparse: those of linear layers that are tied to nothing. */
const candidatesOf = (model: Model): Candidate[] =>
  model.parameters.flatMap(({ name, role, shape: [inputs = 0, outputs = 0, ...more] }) => (role === 'weight' && outputs > 0 && more.length === 0 ? [{ name, inputs, outputs }] : []));

/** Whether `aSparsity` finds a weight to make sparse. */
export const mayBeSparse = (model: Model): boolean => candidatesOf(model).length > 0;

const aShare = (): fc.Arbitrary<number> => fc.oneof({ weight: 1, arbitrary: fc.constantFrom(0, 1) }, { weight: 3, arbitrary: fc.constantFrom(0.1, 0.3, 0.5, 0.75, 0.9) }, { weight: 4, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) });

/** A share that may change with the step. */
const aChangingShare = (): fc.Arbitrary<HyperparameterLike> => {
  const two = fc.tuple(aShare(), aShare());
  return fc.oneof(
    { weight: 4, arbitrary: aShare() },
    { weight: 1, arbitrary: fc.array(aShare(), { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: two.map(([init, to]): HyperparameterLike => ({ kind: 'linear', init, slope: (to - init) / 2 })) },
    { weight: 1, arbitrary: two.map(([init, final]): HyperparameterLike => ({ kind: 'exponential', init, gamma: -0.7, final })) },
    { weight: 1, arbitrary: two.map(([init, beta]): HyperparameterLike => ({ kind: 'power', init, beta: 2 * beta })) },
    { weight: 1, arbitrary: two.map(([init, minimum]): HyperparameterLike => ({ kind: 'cosine', init, halfPeriod: 1.5, minimum })) },
    { weight: 1, arbitrary: two.map(([even, odd]): HyperparameterLike => (step: number) => (step % 2 === 0 ? even : odd)) },
  );
};

/** Often at every step, sometimes with a pause, a start (training is dense until then) or an end. */
const anUpdate = (): fc.Arbitrary<NonNullable<SparsityOptions['update']>> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constant({}) },
    {
      weight: 3,
      arbitrary: fc
        .record({ freq: fc.integer({ min: 1, max: 3 }), start: fc.constantFrom(0, 0, 1, 2), length: fc.option(fc.integer({ min: 1, max: 3 }), { nil: undefined }) })
        .map(({ freq, start, length }) => ({ freq, start, ...(length === undefined ? {} : { stop: start + length }) })),
    },
    { weight: 1, arbitrary: fc.uniqueArray(fc.nat({ max: 4 }), { minLength: 1, maxLength: 4 }).map((steps) => ({ steps })) },
  );

/** First masks as a user's function may make them: with rows, columns, halves and chunks that are empty or full. `lanes`: outputs that are stored together. */
const functions = (lanes: number): readonly MaskInit[] => {
  const by = (rule: (input: number, group: number, inputs: number, groups: number) => boolean): MaskInit => ({ shape: [inputs = 0, outputs = 0] }) =>
    Uint8Array.from({ length: inputs * outputs }, (_, at) => (rule(Math.floor(at / outputs), Math.floor((at % outputs) / lanes), inputs, outputs / lanes) ? 1 : 0));
  return [
    by(() => true), by(() => false), by((i) => i % 2 === 0), by((_, o) => o % 3 === 1), by((i, _, inputs) => i < inputs / 2), by((_, o, __, groups) => o >= groups / 2), by((i) => i >= 256),
    by((i, o) => i === 0 && o === 0), by((i, o, inputs, groups) => i !== inputs - 1 || o !== groups - 1), by((i, o) => (i * 7 + o * 3) % 5 < 3),
  ];
};

const divisors = (n: number, most: number): number[] => Array.from({ length: Math.min(n, most) }, (_, i) => i + 1).filter((d) => n % d === 0);
const commonDivisors = (sizes: readonly number[], most: number): number[] => divisors(sizes[0] ?? 1, most).filter((d) => sizes.every((size) => size % d === 0));

interface Group {
  readonly of: readonly Candidate[];
  readonly pattern: MaskPattern;
  readonly isWhole: boolean;
}

const aGroup = ({ of, pattern, isWhole }: Group, algorithms: readonly SparsityAlgorithm[]): fc.Arbitrary<SparsityOptions> => {
  const lanes = pattern === 'blocks' ? 4 : 1, isNOfM = typeof pattern === 'object';
  const fitting = algorithms.filter((algorithm) => !isNOfM || algorithm === 'static' || algorithm === 'gmp');
  const balances: MaskBalance[] = isNOfM ? [] : [
    ...commonDivisors(of.map(({ inputs }) => inputs), 64).map((groups) => ({ axis: 'inputs' as const, groups })),
    ...commonDivisors(of.map(({ outputs }) => outputs / lanes), 64).map((groups) => ({ axis: 'outputs' as const, groups })),
  ];
  return fc.constantFrom(...fitting).chain((algorithm) => {
    const changes = algorithm !== 'static', drops = algorithm === 'set' || algorithm === 'rigl';
    return fc
      .record({
        sparsity: changes ? aChangingShare() : aShare(), update: anUpdate(), dropFraction: fc.option(aChangingShare(), { nil: undefined }),
        balance: balances.length === 0 ? fc.constant(undefined) : fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.constantFrom(...balances) }),
        init: fc.oneof({ weight: 6, arbitrary: fc.constantFrom<MaskInit>('random', 'topk', 'checkerboard') }, { weight: 1, arbitrary: fc.constant<MaskInit>('from_zeros') }, { weight: 3, arbitrary: fc.constantFrom(...functions(lanes)) }),
      })
      .map(({ sparsity: wanted, update, dropFraction, balance, init }): SparsityOptions => {
        // Zeros and functions know nothing of balances and of N:M.
        const isFree = !isNOfM && balance === undefined, first = isFree || typeof init !== 'function' && init !== 'from_zeros' ? init : 'random';
        return {
          algorithm, pattern, init: first,
          ...(isNOfM ? {} : { sparsity: wanted }),
          ...(changes ? { update } : {}),
          ...(drops && dropFraction !== undefined ? { dropFraction } : {}),
          ...(balance === undefined ? {} : { balance }),
          ...(isWhole ? {} : { params: of.map(({ name }) => name) }),
        };
      });
  });
};

/** Candidates that a pattern fits, and the pattern; all of them, unstructured, where it fits none. */
const fitted = (of: readonly Candidate[], wanted: 'unstructured' | 'blocks' | 'nOfM', pick: number): { readonly of: readonly Candidate[]; readonly pattern: MaskPattern } => {
  if (wanted === 'blocks') {
    const found = of.filter(({ outputs }) => outputs % 4 === 0);
    if (found.length > 0) return { of: found, pattern: 'blocks' };
  }
  if (wanted === 'nOfM') {
    const first = of.find(({ inputs }) => divisors(inputs, 16).length > 1), sizes = divisors(first?.inputs ?? 1, 16).slice(1), m = sizes[pick % sizes.length];
    if (m !== undefined) return { of: of.filter(({ inputs }) => inputs % m === 0), pattern: { n: 1 + (pick % m), m } };
  }
  return { of, pattern: 'unstructured' };
};

/** Sparsity for a model, in one group or two; some weights stay dense. Undefined where no weight may be sparse. */
export const aSparsity = (model: Model, choices: SparsityChoices = {}): fc.Arbitrary<Sparsity | undefined> => {
  const { algorithms = ['static', 'gmp', 'set', 'rigl'] } = choices, candidates = candidatesOf(model);
  if (candidates.length === 0) return fc.constant(undefined);
  const aPattern = fc.record({ wanted: fc.constantFrom('unstructured' as const, 'unstructured' as const, 'blocks' as const, 'nOfM' as const), pick: fc.nat({ max: 1000 }) });
  // Of three: the first group, the second, dense.
  const aSplit = fc.oneof({ weight: 1, arbitrary: fc.constant(candidates.map(() => 0)) }, { weight: 2, arbitrary: fc.array(fc.constantFrom(0, 0, 1, 2), { minLength: candidates.length, maxLength: candidates.length }) });
  const groupsOf = (split: readonly number[], patterns: readonly { readonly wanted: 'unstructured' | 'blocks' | 'nOfM'; readonly pick: number }[]): Group[] => {
    const groups = patterns.flatMap(({ wanted, pick }, g) => {
      const of = candidates.filter((_, i) => split[i] === g);
      return of.length === 0 ? [] : [{ ...fitted(of, wanted, pick), isWhole: false }];
    });
    if (groups.length > 0) return groups;
    const { wanted = 'unstructured', pick = 0 } = patterns[0] ?? {};
    return [{ ...fitted(candidates, wanted, pick), isWhole: false }];
  };
  const aList = fc.tuple(aSplit, fc.tuple(aPattern, aPattern)).chain(([split, patterns]) => fc.tuple(...groupsOf(split, patterns).map((group) => aGroup(group, algorithms))));
  const whole = candidates.filter(({ name }) => !['embedding', 'norm', 'lm_head'].some((part) => name.includes(part)));
  const byDefault = aGroup({ of: whole, pattern: 'unstructured', isWhole: true }, algorithms).map((group) => [group]);
  return (whole.length === 0 ? aList : fc.oneof({ weight: 4, arbitrary: aList }, { weight: 1, arbitrary: byDefault })).map(sparsity);
};
