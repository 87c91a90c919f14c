/**
 * What a mask makes of a weight's streams: bytes and wavelets of all its blocks, forward, for the delta, and of the positions that a gradient is wanted at.
 *
 *   stored positions of each block ─▶ MaskStreams ─▶ the masks' table (masks.ts) ─▶ what a run's record says of its passes (plan/)
 *
 * Not here: counting itself (tile/count.ts, memoryx/), masks.
 */
import type { BlockPlan, LinearPlan, Program } from '../compiler/program.js';
import { gradientRun, linearRun } from './tile/count.js';
import { numberFormats } from '../model/precision.js';
import { sparsePacket } from '../spec/wafer.js';
import { weightBytes } from './sparse-block.js';

export interface MaskStreams {
  readonly forwardWavelets: number;
  readonly forwardBytes: number;
  readonly deltaWavelets: number;
  readonly deltaBytes: number;
  readonly gradientWavelets: number;
  readonly gradientBytes: number;
}
export const maskStreamNames = ['forwardWavelets', 'forwardBytes', 'deltaWavelets', 'deltaBytes', 'gradientWavelets', 'gradientBytes'] as const satisfies readonly (keyof MaskStreams)[];

/** `forward`, `delta`: stored positions of each block. */
export const streamsOf = (program: Program, layer: LinearPlan, forward: (block: number) => number, delta: (block: number) => number): MaskStreams => {
  const valueBytes = numberFormats[program.numbers.weights].bytes;
  const sums = { forwardWavelets: 0, forwardBytes: 0, deltaWavelets: 0, deltaBytes: 0, gradientWavelets: 0, gradientBytes: 0 };
  layer.forwardBlocks.forEach(({ count }, b) => {
    const stored = forward(b), all = layer.inputs * count;
    sums.forwardWavelets += linearRun(program, layer, count, stored, all).wavelets;
    sums.forwardBytes += weightBytes(stored, all, sparsePacket.indexBytes, valueBytes);
    sums.gradientWavelets += gradientRun(count, stored, all).wavelets;
    sums.gradientBytes += stored === all ? 0 : stored * sparsePacket.indexBytes;
  });
  layer.deltaBlocks.forEach(({ count }, b) => {
    const stored = delta(b), all = layer.outputs * count;
    sums.deltaWavelets += linearRun(program, layer, count, stored, all).wavelets;
    sums.deltaBytes += weightBytes(stored, all, sparsePacket.indexBytes, valueBytes);
  });
  return sums;
};

/** The same of a mask by dense index, [inputs][outputs]. */
export const streamsOfMask = (program: Program, layer: LinearPlan, mask: Uint8Array): MaskStreams => {
  const { inputs, outputs } = layer, forward = new Float64Array(layer.forwardBlocks.length), delta = new Float64Array(layer.deltaBlocks.length);
  const blockOf = (blocks: readonly BlockPlan[], results: number): Uint32Array => {
    const of = new Uint32Array(results);
    blocks.forEach(({ first, count }, b) => of.fill(b, first, first + count));
    return of;
  };
  const ofOutput = blockOf(layer.forwardBlocks, outputs), ofInput = blockOf(layer.deltaBlocks, inputs);
  for (let i = 0; i < inputs; i++) {
    for (let o = 0; o < outputs; o++) {
      if (mask[i * outputs + o] === 0) continue;
      const f = ofOutput[o] as number, d = ofInput[i] as number;
      forward[f] = (forward[f] ?? 0) + 1;
      if (d < delta.length) delta[d] = (delta[d] ?? 0) + 1;
    }
  }
  return streamsOf(program, layer, (b) => forward[b] ?? 0, (b) => delta[b] ?? 0);
};
