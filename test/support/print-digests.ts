/** Trains a few drawn models on drawn machines and prints the digest of each: what another Node must print, too. */
import fc from 'fast-check';
import { aClusterShape, aTraining, trainOn } from '../../src/testing/index.js';

const seed = 20210824;
const digests: string[] = [];
const draws = fc.sample(fc.tuple(aTraining(), aClusterShape({ numCsxMax: 8 })), { seed, numRuns: 25 });
for (const [{ model, options }, shape] of draws) digests.push((await trainOn({ ...shape, kernels: 'auto' }, model, options)).record.weightsDigest);
process.stdout.write(`${digests.join(' ')}\n`);
