/**
 * What passes, phases, lanes and causes are called, and which colour and shape each has. Not here: the colours (palette.ts).
 */
import type { Cause } from '../../timing/types.js';
import type { Work } from '../../trace/work.js';
import type { ReportSpan } from '../input.js';
import type { Colour, Kind } from './palette.js';

export type Shape = 'circle' | 'square' | 'triangle' | 'diamond' | 'cross';

/** In the order in which a step has them; `mixed`: merged spans of several. */
export const phaseColours: Readonly<Record<ReportSpan['phase'], Colour>> = { forward: 'blue', recompute: 'sky', delta: 'amber', gradient: 'green', update: 'rose', mixed: 'muted' };
export const colourShapes: Readonly<Record<Colour, Shape>> = { muted: 'square', blue: 'circle', sky: 'square', amber: 'triangle', green: 'diamond', rose: 'cross' };

/** Lanes in the order in which a weight meets them. */
export const laneOrder: readonly ReportSpan['lane'][] = ['MemoryX out', 'SwarmX', 'wafer input', 'wafer', 'wafer output', 'MemoryX in', 'optimizer'];

export interface CauseGroup {
  readonly name: string;
  readonly kind: Kind;
}
const group = (name: string, kind: Kind): CauseGroup => ({ name, kind });
const tile = group('tiles', 'blue'), fabric = group('wafer fabric', 'sky'), link = group('links and MemoryX', 'amber'), waiting = group('latency', 'green'), boundary = group('between steps', 'rose');
export const causeGroups: Readonly<Record<Cause, CauseGroup>> = {
  products: tile, overhead: tile, 'row sums': tile, 'column sums': tile, elementwise: tile, fabric, 'wafer input': link, 'wafer output': link, SwarmX: link, MemoryX: link, latency: waiting, update: boundary,
};

/** What causes mean, as a reader would ask. */
export const causeHelp: Readonly<Record<Cause, string>> = {
  products: 'multiply-adds of the fullest tile', overhead: 'instructions, tasks and pipeline fill beside useful work', 'row sums': 'partial sums that travel along rows', 'column sums': 'gradients that are added along columns',
  elementwise: 'element-by-element work', fabric: 'the busiest link between tiles', 'wafer input': 'bytes into a wafer', 'wafer output': 'bytes out of a wafer', SwarmX: 'broadcast and reduction between systems',
  MemoryX: 'bytes in and out of MemoryX', latency: 'messages under way', update: 'what of the optimizer shows between two steps',
};

/** The layers that a pass stands for, in order of the stream. */
export const layersOfPasses = (work: Work): ReadonlyMap<number, readonly string[]> => {
  const layers = new Map<number, Set<number>>();
  for (const { order } of work.microBatches) {
    for (const { pass, layer } of order) {
      const known = layers.get(pass) ?? new Set<number>();
      if (layer >= 0) known.add(layer);
      layers.set(pass, known);
    }
  }
  return new Map([...layers].map(([pass, numbers]) => [pass, [...numbers].toSorted((a, b) => a - b).map((layer) => work.layers[layer] ?? `layer ${layer}`)]));
};

export const layerName = (work: Work, layer: number): string => (layer < 0 ? 'no layer' : (work.layers[layer] ?? `layer ${layer}`));

/** A span in words: layer and pass. */
export const spanName = (work: Work, span: Pick<ReportSpan, 'layer' | 'pass' | 'phase'>): string => {
  const op = span.pass < 0 ? span.phase : (work.passes[span.pass]?.op ?? span.phase);
  return span.layer < 0 ? op : `${layerName(work, span.layer)} · ${op}`;
};
