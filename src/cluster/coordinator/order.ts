/**
 * The order of one run: every command of every step as one long sequence, drawn only when a stream has room for it.
 *
 *   step ▸ micro-batch ▸ pass of the program ▸ block
 *
 * Hosts work in this order, so the end of one step and the start of the next lie side by side and overlap as far as weights allow.
 * Not here: waiting (down.ts), what becomes of gradients (up.ts).
 */
import type { PassStep, Program } from '../../compiler/program.js';

export interface StreamItem {
  readonly step: number;
  readonly microBatch: number;
  readonly lastMicroBatch: boolean;
  readonly pass: number;
  readonly op: PassStep['op'];
  /** Number of the block in the pass; 0 in a pass without blocks. */
  readonly block: number;
}

const blocksOf = (program: Program, pass: PassStep): number => {
  if (!('streamed' in pass)) return 1;
  const plan = program.streamed[pass.streamed];
  return (pass.op === 'delta' ? plan?.deltaBlocks : plan?.forwardBlocks)?.length ?? 0;
};

/** Items of steps first … end−1; without `backward` only what it takes to know the loss. */
export function* streamOrder(program: Program, microBatches: number, first: number, end: number, backward = true): Generator<StreamItem> {
  for (let step = first; step < end; step++) {
    for (let microBatch = 0; microBatch < microBatches; microBatch++) {
      for (const [number, pass] of program.passes.entries()) {
        if (pass.backward && !backward) continue;
        const blocks = blocksOf(program, pass);
        for (let block = 0; block < blocks; block++) yield { step, microBatch, lastMicroBatch: microBatch === microBatches - 1, pass: number, op: pass.op, block };
      }
    }
  }
}
