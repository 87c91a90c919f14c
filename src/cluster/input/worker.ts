/**
 * An input worker: brings one band of a CS-2 its contiguous range of samples, features turned into panels.
 *
 *   data + (seed, step, position) ─▶ entry buffer [slab][feature][32] or ids beside MemoryX; labels and loss factor into SRAM
 *
 * Which sample stands where is model/data.ts's pure function. A CS-2 has one input worker with a lane for each of its bands.
 * Not here: the deal (deal.ts), gathering of embeddings (memoryx/).
 */
import type { Behavior } from '../../actor/behavior.js';
import { slabTokens } from '../../kernels/types.js';
import { inputOf } from '../../model/graph.js';
import { numberFormats } from '../../model/precision.js';
import { sampleAt, samplesOf, streamOf, type TrainingData } from '../../model/data.js';
import { floats, words } from '../../tensor/shared-memory.js';
import { count, counters } from '../../trace/counts.js';
import { assert } from '../../util/errors.js';
import { dealBatch, slabsOfSample } from '../deal.js';
import type { ClusterLayout } from '../layout.js';
import type { InputCommand, InputReply } from './protocol.js';

export interface InputProps {
  readonly layout: ClusterLayout;
  readonly band: number;
  /** Arrays over shared memory: what is trained on, and what is evaluated on or null. */
  readonly data: TrainingData;
  readonly evaluation: TrainingData | null;
  readonly seed: number;
  readonly counter: number;
}

/** What stands in one lane: its label, and its ids or features. */
interface LaneSource {
  label(sample: number, place: number): number;
  readonly ids: (sample: number, place: number, position: number) => number;
  readonly features: Float32Array | null;
}

const sourceOf = (data: TrainingData, tokensPerSample: number, width: number): LaneSource => {
  const stream = streamOf(data);
  if (tokensPerSample > 1 && stream !== null) {
    const { ids, labels } = stream;
    return {
      label: (sample, place) => (labels === null ? (ids[sample * tokensPerSample + place + 1] as number) : (labels[sample * tokensPerSample + place] as number)),
      ids: (sample, place) => ids[sample * tokensPerSample + place] as number,
      features: null,
    };
  }
  if (data.kind === 'features') return { label: (sample) => data.labels[sample] as number, ids: () => 0, features: data.inputs };
  if (data.kind === 'tokens') return { label: (sample) => data.labels[sample] as number, ids: (sample, _, position) => data.ids[sample * width + position] as number, features: null };
  assert(data.kind === 'text', 'sequence data belong to sequence models');
  return { label: (sample) => data.bytes[sample + width] as number, ids: (sample, _, position) => data.bytes[sample + position] as number, features: null };
};

export const inputWorker = (props: InputProps): Behavior<InputCommand, InputReply> => {
  const { layout, seed } = props;
  const { batch, arenaMemory, program } = layout;
  const { model } = program, { tokensPerSample } = batch;
  const band = layout.arena.bands[props.band];
  assert(band !== undefined, `band ${props.band} is planned`);
  const entry = program.passes[0];
  assert(entry?.op === 'input' || entry?.op === 'gather', 'a program begins with its input');
  const width = inputOf(model).features, together = slabsOfSample(batch);
  const sets = [props.data, props.evaluation].map((data) => (data === null ? null : { samples: samplesOf(model, data), source: sourceOf(data, tokensPerSample, width) }));
  const countersOf = counters(layout.counts, props.counter);
  const microBatches = dealBatch(batch);
  const table = layout.memoryX.embeddings[0];
  const idMemory = table === undefined ? undefined : layout.memoryXMemories[table.memory];

  return (ctx) => ({
    receive(message) {
      const counts = countersOf(message.step);
      const microBatch = microBatches[message.microBatch];
      const wafer = microBatch?.wafers[band.wafer], set = sets[message.evaluate];
      assert(microBatch !== undefined && wafer !== undefined && set !== undefined && set !== null, `micro-batch ${message.microBatch} and its data are there`);
      const { samples, source } = set;
      const slabs = Math.min(band.slabs, wafer.count - band.firstSlab);
      const labels = words(arenaMemory, band.labels, band.slabs * slabTokens);
      floats(arenaMemory, band.factor, 1)[0] = message.factor;
      let present = 0;
      for (let p = 0; p < slabs; p++) {
        const slab = wafer.first + band.firstSlab + p;
        const panel = source.features === null ? undefined : floats(arenaMemory, (band.buffers[entry.buffer] as number) + p * width * slabTokens * 4, width * slabTokens);
        const ids = idMemory === undefined || table === undefined ? undefined : words(idMemory, table.ids + (slab - microBatch.first) * slabTokens * width * 4, slabTokens * width);
        const ownSample = tokensPerSample > 1 ? Math.floor(slab / together) : 0, firstPlace = tokensPerSample > 1 ? (slab % together) * slabTokens : 0;
        const sampleOfSlab = tokensPerSample > 1 ? sampleAt(samples, batch.samples, message.batch, ownSample, seed) : 0;
        for (let t = 0; t < slabTokens; t++) {
          const place = firstPlace + t, position = slab * slabTokens + t;
          const exists = tokensPerSample > 1 ? place < tokensPerSample : position < batch.samples;
          const sample = tokensPerSample > 1 ? sampleOfSlab : exists ? sampleAt(samples, batch.samples, message.batch, position, seed) : 0;
          labels[p * slabTokens + t] = exists ? source.label(sample, place) : -1;
          if (exists) present++;
          if (panel !== undefined && source.features !== null) {
            const from = sample * width;
            if (exists) for (let f = 0, to = t; f < width; f++, to += slabTokens) panel[to] = source.features[from + f] as number;
            else for (let f = 0; f < width; f++) panel[f * slabTokens + t] = 0;
          } else if (ids !== undefined) {
            for (let c = 0; c < width; c++) ids[t * width + c] = exists ? source.ids(sample, place, c) : 0;
          }
        }
      }
      // A label, and the features in the numbers in which they stand.
      count(counts, 'ioInBytes', present * (4 + (source.features === null ? 0 : width * numberFormats[program.numbers.activations].bytes)));
      ctx.reply({ type: 'input.done' });
    },
  });
};
