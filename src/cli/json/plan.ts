/** The JSON of `plan` and `sweep`, which run nothing or many: lines. Not here: how figures come about (plan/, timing/), printing (say.ts). */
import * as v from 'valibot';
import { recomputes } from '../../compiler/program.js';
import { causes } from '../../timing/types.js';
import { about, count, line, listOf, real, text, type JsonOf } from './kinds.js';

const occupancy = { name: about(text, 'of the link or tier'), bytes: about(real, 'of one step'), bytesPerSecond: about(real, 'that it can carry'), occupancy: about(real, 'busy seconds ÷ seconds of the step') };
const cause = v.picklist(causes);

/** What steps take on a machine. */
const price = v.strictObject({
  format: v.literal(1), machine: about(text, 'name of the machine'), clockHz: about(real, 'cycles a second'), numCsx: about(count, 'CS-2 systems'),
  step: about(v.strictObject({ cycles: real, seconds: real, tokensPerSecond: real, samplesPerSecond: real }), 'the mean step'),
  totalSeconds: about(real, 'of all steps'),
  flops: about(v.strictObject({
    achieved: about(real, 'flop a second of stored products'), denseEquivalent: about(real, 'if weights were dense'), peak: about(real, 'of all usable tiles'), utilization: about(real, 'achieved ÷ peak'),
    denseUtilization: about(real, 'dense equivalent ÷ peak'), tilesUsed: about(real, "the rectangle's share of the usable tiles"),
  }), 'arithmetic, a multiply-add counted as 2'),
  links: about(listOf(v.strictObject(occupancy)), 'what carries bytes between devices and tiles'),
  tiers: about(listOf(v.strictObject({ ...occupancy, capacityBytes: about(real, 'of all units'), usedBytes: about(real, 'of the capacity') })), 'memories'),
  energy: about(v.strictObject({ byAction: v.record(text, real), joules: about(real, 'a step'), watts: about(real, 'over the step, all systems'), joulesPerToken: real }), 'by kind of action, and of idling'),
  critical: about(listOf(v.strictObject({ cause, seconds: real, share: real })), 'seconds of the step by what bound them'),
  boundarySeconds: about(real, 'exposed between two steps'), verdict: about(text, 'what bounds the step and what would help'),
});

const points = about(listOf(v.strictObject({
  x: about(real, 'systems, or the share of absent positions'), batchSize: count, secondsAStep: real, tokensPerSecond: real, speedup: about(real, 'tokens a second ÷ those of the first point'),
  efficiency: about(real, 'speed-up ÷ what would be perfect'), utilization: real, verdict: text,
})), 'one after the other');

const planned = {
  kind: about(v.picklist(['training', 'generation']), 'what is planned'), model: about(v.strictObject({ name: text, parameterCount: count }), 'the model'), numCsx: about(count, 'CS-2 systems'),
  samples: about(count, 'of one step'), tokens: about(count, 'of one step'), steps: about(count, 'that counts are of'),
  rectangle: about(v.strictObject({ rows: count, cols: count, tiles: count }), 'tiles of each wafer'), tiles: about(count, 'of all systems that hold something'),
  microBatches: about(count, 'of a step'), microBatchSize: about(count, 'samples that one CS-2 holds at a time'), microBatchSizeMax: about(count, 'the most that fit'),
  recompute: about(v.picklist(recomputes), "what of a block's activations is computed again"), logits: about(v.picklist(['held', 'streamed']), 'whether logits are held at once, or made block by block'),
  sram: about(v.strictObject({ limitBytes: count, codeBytes: count, activationBytes: count, streamBytes: count, totalBytes: count }), 'the fullest tile'),
  memoryX: about(v.strictObject({ stateBytes: count, dramBytes: count, flashBytes: count }), 'state by tier'),
  counts: about(v.record(text, real), 'actions of all steps: those of a run, exactly'), price: about(price, 'what a step takes'),
};

const version = 1;
export const planJson = {
  command: 'plan', version, form: 'lines',
  schema: v.variant('type', [
    line('plan', version, 'plan', planned),
    line('plan', version, 'scaling', { mode: about(v.picklist(['weak', 'strong']), 'each system has the same work, or all share one batch'), points }),
    line('plan', version, 'sparsity', { points }),
  ]),
} as const satisfies JsonOf<v.GenericSchema>;

const value = v.union([v.number(), v.string(), v.boolean(), v.null()]);
/** Figures by their names. */
export const figures = v.record(text, value);

export const sweepJson = {
  command: 'sweep', version, form: 'lines',
  schema: v.variant('type', [
    line('sweep', version, 'point', {
      key: about(text, 'hash of all that the result depends on, 32 hexadecimal digits'), parameters: about(figures, 'what varies, by its path'), figures: v.exactOptional(about(figures, 'what was found; null where there is none')),
      refusal: v.exactOptional(about(v.strictObject({ kind: about(text, 'as of errors'), message: text }), 'why the point cannot be, in place of figures')),
    }),
    line('sweep', version, 'summary', {
      kind: about(v.picklist(['plan', 'train']), 'what was done at each point'), points: about(count, 'how many'), reused: about(count, 'whose results were there before'), refused: about(count, 'that cannot be'),
      damaged: about(count, 'lines of the file of results that were taken out'),
    }),
  ]),
} as const satisfies JsonOf<v.GenericSchema>;

/** A run on a machine, in the summary of `train`. */
export const predicted = about(v.nullable(figures), 'what the steps take on --machine; null without a file that holds it');
export const reportPath = about(v.nullable(text), 'path of --report');
