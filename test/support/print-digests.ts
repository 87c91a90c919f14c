/** Trains a few drawn models on drawn machines and prints the digest of weights and masks of each: what another Node must print, too. */
import fc from 'fast-check';
import { digest } from '../../src/index.js';
import { aClusterShape, aTraining, trainOn } from '../../src/testing/index.js';

const seed = 20210824;
const digests: string[] = [];
const draws = fc.sample(fc.tuple(aTraining(), aClusterShape({ numCsxMax: 8 })), { seed, numRuns: 25 });
if (draws.filter(([{ options }]) => options.sparsity !== undefined).length < 5) throw new Error('too few sparse runs were drawn');
for (const [{ model, options }, shape] of draws) {
  const { weights, masks } = await trainOn({ ...shape, kernels: 'auto' }, model, options);
  digests.push(digest([...weights, ...masks.map(({ name, shape: of, mask }) => ({ name, shape: of, data: Float32Array.from(mask) }))]));
}
process.stdout.write(`${digests.join(' ')}\n`);
