/**
 * Attention while generating: keys and values of the step's lanes go into their sequences' caches, then each lane attends to its own sequence.
 *
 *   panel of Q, K, V ─turn─▶ K to [slab][feature][32 places], V to [place][feature] ─▶ every lane: keys up to its own place ─▶ O
 *
 * A host works whole key–value heads of whole wafers, so that all lanes of a sequence are stored before one of them attends. A lane reads nothing of its companions.
 * Not here: which lanes there are (the coordinator), products (host.ts).
 */
import type { AttentionPlan } from '../../compiler/program.js';
import { panelRowBytes, slabTokens, valueFloats, type Kernels } from '../../kernels/types.js';
import { count } from '../../trace/counts.js';
import { assert } from '../../util/errors.js';
import type { GenerationLayout, LaneTable, Stage } from '../generation-layout.js';

export interface AttendContext {
  readonly layout: GenerationLayout;
  readonly host: number;
  readonly kernels: Kernels;
  readonly lanes: LaneTable;
  /** Address of a panel of a buffer. */
  readonly panelAt: (buffer: number, panel: number) => number;
}

export const attender = ({ layout, host, kernels: k, lanes, panelAt }: AttendContext) => {
  const { program, sequences, hosts } = layout;
  const memory = layout.memories[0] as WebAssembly.Memory, F = new Float32Array(memory.buffer);
  const scratch = layout.hosts[host]?.scratch ?? 0;
  const lastAttention = program.attentions.length - 1;

  /** The caches of a lane's sequence for a key–value head. */
  const cacheOf = (lane: number, attention: number, a: AttentionPlan, g: number): { readonly keys: number; readonly values: number } => {
    const sequence = sequences[lanes.sequence(lane)], cache = sequence?.caches[attention];
    assert(sequence !== undefined && cache !== undefined, `lane ${lane} belongs to a sequence`);
    return { keys: cache.keys + g * sequence.slabs * a.headSize * panelRowBytes, values: cache.values + g * sequence.slabs * slabTokens * valueFloats(a.headSize) * 4 };
  };

  /** One column of a panel into a place of the cache. */
  const store = (a: AttentionPlan, lane: number, cache: { readonly keys: number; readonly values: number }, key: number, value: number): void => {
    const place = lanes.place(lane), slab = Math.floor(place / slabTokens);
    let from = key / 4, to = (cache.keys + slab * a.headSize * panelRowBytes) / 4 + (place % slabTokens);
    for (let i = 0; i < a.headSize; i++, from += slabTokens, to += slabTokens) F[to] = F[from] as number;
    from = value / 4;
    to = cache.values / 4 + place * valueFloats(a.headSize);
    for (let i = 0; i < a.headSize; i++, from += slabTokens) F[to + i] = F[from] as number;
  };

  /** Panels `first` … `last`−1 are one wafer's. */
  const workHead = (stage: Extract<Stage, { kind: 'attention' }>, a: AttentionPlan, g: number, first: number, last: number, counts: Float64Array): void => {
    const { heads, kvHeads, headSize } = a, group = heads / kvHeads, headBytes = headSize * panelRowBytes, scale = Math.fround(1 / Math.sqrt(headSize));
    const angles = stage.rotary === null ? undefined : layout.rotary.find(({ layers }) => stage.rotary !== null && layers.includes(stage.rotary.layer));
    for (let p = first; p < last; p++) {
      const queries = panelAt(a.qkv, p) + g * group * headBytes, key = panelAt(a.qkv, p) + (heads + g) * headBytes, value = key + kvHeads * headBytes;
      if (angles !== undefined) {
        const at = p * slabTokens * angles.half * 4;
        k.rotary(queries, group, headSize, angles.laneCos + at, angles.laneSin + at, 1);
        k.rotary(key, 1, headSize, angles.laneCos + at, angles.laneSin + at, 1);
        count(counts, 'elementwise', (group + 1) * headSize * lanes.lanes(p));
      }
      for (let t = 0; t < lanes.lanes(p); t++) {
        const lane = p * slabTokens + t;
        store(a, lane, cacheOf(lane, stage.attention, a, g), key + t * 4, value + t * 4);
      }
    }
    for (let p = first; p < last; p++) {
      const attending = stage.attention === lastAttention ? lanes.wanted(p) : lanes.lanes(p);
      for (let t = 0; t < attending; t++) {
        const lane = p * slabTokens + t, places = lanes.place(lane) + 1, cache = cacheOf(lane, stage.attention, a, g);
        for (let head = g * group; head < (g + 1) * group; head++) {
          k.attendCached(panelAt(a.o, p) + head * headBytes + t * 4, panelAt(a.qkv, p) + head * headBytes + t * 4, cache.keys, cache.values, scratch, headSize, places, scale);
        }
        count(counts, 'macs', 2 * group * headSize * places);
        count(counts, 'elementwise', group * (places + headSize));
      }
    }
  };

  return (stage: Extract<Stage, { kind: 'attention' }>, counts: Float64Array): void => {
    const a = program.attentions[stage.attention];
    assert(a !== undefined, `attention ${stage.attention} is in the program`);
    let unit = 0;
    for (let first = 0, last = 0; first < lanes.panels(); first = last) {
      while (last < lanes.panels() && lanes.wafer(last) === lanes.wafer(first)) last++;
      for (let g = 0; g < a.kvHeads; g++, unit++) if (unit % hosts.length === host) workHead(stage, a, g, first, last, counts);
    }
  };
};
