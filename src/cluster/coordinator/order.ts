/**
 * The order of one run: every command of every step as one long sequence, drawn only when a stream has room for it.
 *
 *   step ▸ micro-batch ▸ pass of the program ▸ block
 *
 * Hosts work in this order, so the end of one step and the start of the next lie side by side and overlap as far as weights allow.
 * Not here: waiting (down.ts), what becomes of gradients (up.ts).
 */
import type { Program } from '../../compiler/program.js';

interface Place {
  readonly step: number;
  readonly microBatch: number;
  readonly lastMicroBatch: boolean;
}

export type StreamItem = Place &
  (
    | { readonly op: 'enter'; readonly table: number | null }
    | { readonly op: 'forward'; readonly linear: number; readonly block: number }
    | { readonly op: 'gradient'; readonly linear: number; readonly block: number }
    | { readonly op: 'delta'; readonly linear: number; readonly block: number }
    | { readonly op: 'scatter'; readonly table: number }
  );

/** Items of steps first … end−1. */
export function* streamOrder(program: Program, microBatches: number, first: number, end: number): Generator<StreamItem> {
  const tableOf = (layer: number): number => {
    const found = program.model.layers[layer];
    return found?.kind === 'embedding' ? found.table : -1;
  };
  for (let step = first; step < end; step++) {
    for (let microBatch = 0; microBatch < microBatches; microBatch++) {
      const place: Place = { step, microBatch, lastMicroBatch: microBatch === microBatches - 1 };
      for (const pass of program.passes) {
        switch (pass.op) {
          case 'input':
            yield { ...place, op: 'enter', table: null };
            break;
          case 'gather':
            yield { ...place, op: 'enter', table: tableOf(pass.layer) };
            break;
          case 'scatter':
            yield { ...place, op: 'scatter', table: tableOf(pass.layer) };
            break;
          case 'forward':
          case 'gradient':
          case 'delta': {
            const linear = program.linears[pass.linear];
            const blocks = (pass.op === 'delta' ? linear?.deltaBlocks : linear?.forwardBlocks)?.length ?? 0;
            for (let block = 0; block < blocks; block++) yield { ...place, op: pass.op, linear: pass.linear, block };
            break;
          }
          default:
            pass satisfies never;
        }
      }
    }
  }
}
