/** What tests of sparse checkpoints share: models, weights and masks at any density, stored zeros among them. */
import type { Model } from '../../../src/model/graph.js';
import { gpt } from '../../../src/model/presets/gpt.js';
import { llama } from '../../../src/model/presets/llama.js';
import { mlp } from '../../../src/model/presets/small.js';
import type { NamedMask } from '../../../src/model/sparsity.js';
import type { NamedTensor } from '../../../src/tensor/named.js';
import { purposes, randomUnit, randomWord } from '../../../src/util/prng.js';

const seed = 19_840_125;

export const sparseModels = {
  gpt: gpt({ layers: 1, heads: 2, dim: 8, context: 6, vocabulary: 11, hidden: 13 }),
  llama: llama({ layers: 2, heads: 4, kvHeads: 2, headSize: 6, dim: 10, hidden: 7, context: 6, vocabulary: 11 }),
  mlp: mlp([5, 7, 3]),
};

/** Masks of the linear weights that `pick` takes, each of the density that it gives: 0 is empty, 1 is full. */
export const masksOf = (net: Model, pick: (place: number) => number | null): NamedMask[] =>
  net.parameters.filter(({ role }) => role === 'weight').flatMap(({ name, shape, size, index }, place) => {
    const density = pick(place);
    return density === null ? [] : [{ name, shape, mask: Uint8Array.from({ length: size }, (_, i) => (randomUnit(seed, purposes.testData, i, 2, index) < density ? 1 : 0)) }];
  });

/** Any bits, NaNs with payloads among them; +0 where nothing is stored, and at every fifth stored position a zero of either sign. */
export const sparseWeights = (net: Model, masks: readonly NamedMask[], value: (i: number, index: number) => number = (i, index) => randomWord(seed, purposes.testData, i, 0, index)): NamedTensor[] =>
  net.parameters.map(({ name, shape, size, index }) => {
    const mask = masks.find((candidate) => candidate.name === name)?.mask;
    return { name, shape, data: new Float32Array(Uint32Array.from({ length: size }, (_, i) => (mask?.[i] === 0 ? 0 : i % 5 === 3 ? (i % 2) * 0x8000_0000 : value(i, index))).buffer) };
  });

/** Bits of numbers that all three dtypes hold. */
export const exactBits = (i: number, index: number): number => new Uint32Array(Float32Array.of(((i * 7 + index) % 63) / 8 - 4).buffer)[0] ?? 0;

export const bitsOf = (tensors: readonly NamedTensor[]): unknown => tensors.map(({ name, shape, data }) => [name, shape, Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')]);
