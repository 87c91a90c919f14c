/**
 * Sparsity out of the options: a number, a config, the masks that the weights bring, or none of them.
 *
 *   --sparsity 0.9 [--sparsity-algorithm …]   ─┐
 *   --sparsity rules.yaml                     ─┼─▶ Sparsity, and the masks to begin with ─▶ TrainOptions
 *   --sparsity kept · off, beside --weights   ─┘
 *
 * Weights with masks are never trained without a word on what becomes of the masks. Not here: what a config says (formats/), algorithms (sparsity/).
 */
import { InvalidConfig, readSparsityConfig, sparsity, type NamedMask, type Sparsity, type TrainOptions } from '../../index.js';
import { flagOf, type OptionName, type Options } from '../options.js';
import { outside, refuse } from './rules.js';

/** Options that say more about a number. */
const withNumber = ['sparsityAlgorithm', 'sparsityInit', 'sparsityPattern', 'sparsityUpdateEvery'] as const satisfies readonly OptionName[];

/** Groups of a number and what is said about it. @throws InvalidConfig where one has no effect on the others */
export const sparsityOfNumber = (options: Options, value: number, usualInit?: 'topk'): Sparsity => {
  const { sparsityAlgorithm: algorithm = 'static', sparsityInit: init = usualInit, sparsityPattern: pattern, sparsityUpdateEvery: freq } = options;
  if (algorithm === 'static') refuse(options, ['sparsityUpdateEvery'], 'has no effect on static masks: name gmp, set or rigl with --sparsity-algorithm');
  // 2:4 is exactly one half; 1:3 can be written only nearly.
  const exact = typeof pattern === 'object' ? 1 - pattern.n / pattern.m : value;
  if (typeof pattern === 'object' && Math.abs(value - exact) > 0.005) throw outside('sparsity', value, `${exact.toFixed(3)}, as ${pattern.n} of ${pattern.m} are stored`);
  if (init === 'from_zeros' && options.weights === undefined) refuse(options, ['sparsityInit'], `from_zeros belongs to ${flagOf('weights')} that hold zeros`);
  return sparsity({
    algorithm, sparsity: exact,
    ...(init === undefined ? {} : { init }),
    ...(pattern === undefined ? {} : { pattern }),
    ...(freq === undefined ? {} : { update: { freq } }),
  });
};

/** Whether four consecutive outputs share their inputs everywhere: such masks go on as blocks, which is faster and the same to the bit. */
const isInBlocks = ({ shape: [, outputs = 0], mask }: NamedMask): boolean => outputs % 4 === 0 && mask.every((one, i) => one === mask[i - (i % 4)]);

/** Masks that stay as they are; which they are, they say themselves. */
const kept = (masks: readonly NamedMask[]): Sparsity => {
  const [blocks, others] = [true, false].map((inBlocks) => masks.filter((mask) => isInBlocks(mask) === inBlocks).map(({ name }) => name));
  return sparsity([
    ...(blocks === undefined || blocks.length === 0 ? [] : [{ init: 'from_zeros', params: blocks, pattern: 'blocks' } as const]),
    ...(others === undefined || others.length === 0 ? [] : [{ init: 'from_zeros', params: others } as const]),
  ]);
};

/**
 * How the run is sparse, given the masks of `--weights` (none: empty).
 *
 * @throws InvalidConfig for weights with masks and no word on them, for `kept` and `off` without masks, and for options without effect; CorruptFile for a config that cannot be read
 */
export const sparsityOf = async (options: Options, masks: readonly NamedMask[]): Promise<Pick<TrainOptions, 'sparsity' | 'masks'>> => {
  const { sparsity: choice, weights } = options, from = masks.length === 0 ? {} : { masks };
  if (typeof choice !== 'number') refuse(options, withNumber, `belongs to ${flagOf('sparsity')} with a number`);
  if (choice === undefined) {
    if (masks.length === 0) return {};
    throw new InvalidConfig({ what: `weights with ${masks.length === 1 ? 'a mask' : `${masks.length} masks`}, and nothing says what becomes of them`, ...(weights === undefined ? {} : { where: weights }), hint: `give ${flagOf('sparsity')} kept (they stay), off (dense from here on), or a sparsity config (they go on from here)` });
  }
  if (choice === 'kept' || choice === 'off') {
    if (masks.length === 0) throw new InvalidConfig({ what: `option ${flagOf('sparsity')} ${choice} belongs to ${flagOf('weights')} with masks`, ...(weights === undefined ? {} : { where: weights }), hint: weights === undefined ? 'leave it out' : 'these have none: leave it out, or give a number or a config' });
    return choice === 'off' ? {} : { sparsity: kept(masks), masks };
  }
  if (typeof choice === 'string') return { sparsity: await readSparsityConfig(choice), ...from };
  if (masks.length > 0) {
    if ((options.sparsityAlgorithm ?? 'static') === 'static') throw outside('sparsity', choice, `kept or off, or a number with ${flagOf('sparsityAlgorithm')} gmp, set or rigl: the weights bring static masks of their own`);
    refuse(options, ['sparsityInit'], `has no effect beside the masks of ${flagOf('weights')}`);
  }
  return { sparsity: sparsityOfNumber(options, choice), ...from };
};

/** A wrong `--sparsity` is told before the data is read. @throws InvalidConfig */
export const checkSparsityOptions = (options: Options): void => {
  const { sparsity: choice, weights } = options;
  if (typeof choice !== 'number') refuse(options, withNumber, `belongs to ${flagOf('sparsity')} with a number`);
  else sparsityOfNumber(options, choice);
  if ((choice === 'kept' || choice === 'off') && weights === undefined) refuse(options, ['sparsity'], `${choice} belongs to ${flagOf('weights')} with masks`);
};
