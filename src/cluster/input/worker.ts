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
import { sampleAt, sampleCount, type TrainingData } from '../../model/data.js';
import { floats, words } from '../../tensor/shared-memory.js';
import { count, counters } from '../../trace/counts.js';
import { assert } from '../../util/errors.js';
import { dealBatch } from '../deal.js';
import type { ClusterLayout } from '../layout.js';
import type { InputCommand, InputReply } from './protocol.js';

export interface InputProps {
  readonly layout: ClusterLayout;
  readonly band: number;
  /** Arrays over shared memory. */
  readonly data: TrainingData;
  readonly seed: number;
  readonly counter: number;
}

export const inputWorker = (props: InputProps): Behavior<InputCommand, InputReply> => {
  const { layout, data, seed } = props;
  const { batch, arenaMemory, program } = layout;
  const band = layout.arena.bands[props.band];
  assert(band !== undefined, `band ${props.band} is planned`);
  const entry = program.passes[0];
  assert(entry?.op === 'input' || entry?.op === 'gather', 'a program begins with its input');
  const source = program.model.layers[0];
  assert(source?.kind === 'features' || source?.kind === 'tokens', 'a model begins with its input');
  const width = source.features;
  const samples = sampleCount(data, width);
  const countersOf = counters(layout.counts, props.counter);
  const microBatches = dealBatch(batch);
  const embedding = layout.memoryX.embedding;
  const idMemory = embedding === null ? undefined : layout.memoryXMemories[embedding.memory];

  return (ctx) => ({
    receive(message) {
      const counts = countersOf(message.step);
      const microBatch = microBatches[message.microBatch];
      const wafer = microBatch?.wafers[band.wafer];
      assert(microBatch !== undefined && wafer !== undefined, `micro-batch ${message.microBatch} is in the deal`);
      const slabs = Math.min(band.slabs, wafer.count - band.firstSlab);
      const labels = words(arenaMemory, band.labels, band.slabs * slabTokens);
      floats(arenaMemory, band.factor, 1)[0] = message.factor;
      let present = 0;
      for (let p = 0; p < slabs; p++) {
        const slab = wafer.first + band.firstSlab + p;
        const panel = data.kind === 'features' ? floats(arenaMemory, (band.buffers[entry.buffer] as number) + p * width * slabTokens * 4, width * slabTokens) : undefined;
        const ids = idMemory === undefined || embedding === null ? undefined : words(idMemory, embedding.ids + (slab - microBatch.first) * slabTokens * width * 4, slabTokens * width);
        for (let t = 0; t < slabTokens; t++) {
          const position = slab * slabTokens + t;
          const exists = position < batch.samples;
          const sample = exists ? sampleAt(samples, batch.samples, message.step, position, seed) : 0;
          labels[p * slabTokens + t] = !exists ? -1 : data.kind === 'text' ? (data.bytes[sample + width] as number) : (data.labels[sample] as number);
          if (exists) present++;
          if (panel !== undefined && data.kind === 'features') {
            const from = sample * width, inputs = data.inputs;
            if (exists) for (let f = 0, to = t; f < width; f++, to += slabTokens) panel[to] = inputs[from + f] as number;
            else for (let f = 0; f < width; f++) panel[f * slabTokens + t] = 0;
          } else if (ids !== undefined) {
            for (let c = 0; c < width; c++) ids[t * width + c] = !exists ? 0 : data.kind === 'text' ? (data.bytes[sample + c] as number) : data.kind === 'tokens' ? (data.ids[sample * width + c] as number) : 0;
          }
        }
      }
      count(counts, 'ioInBytes', present * 4 * (data.kind === 'features' ? width + 1 : 1));
      ctx.reply({ type: 'input.done' });
    },
  });
};
