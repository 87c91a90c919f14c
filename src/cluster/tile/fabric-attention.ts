/**
 * Attention tile by tile: keys and values travel between the rows of a sample, scores along the row, weighted sums stay where their features are
 * (docs/numerics.md §12).
 *
 *   K, V of slab j: its rows ─▶ every row of slabs i ≥ j ─▶ scores (travelling sums) ─▶ softmax of the row ─▶ O, tile by tile
 *   delta: the same for dP and dQ; then Q, dO, p and g of slab i travel to the rows of slabs j ≤ i, where dK and dV run on
 *
 * A sample's rows may lie in several bands; hosts share its key–value heads as in attention.ts, whose sums and bits these are. A running dK or dV waits in
 * its tile beside its own key. Not here: a tile's turn (tile-attention.ts), all tiles of a head at once (attention.ts).
 */
import type { AttentionPlan } from '../../compiler/program.js';
import { panelRowBytes, slabTokens } from '../../kernels/types.js';
import { floats } from '../../tensor/shared-memory.js';
import { assert } from '../../util/errors.js';
import { slabsOfSample, tokensInSlab } from '../deal.js';
import { workOf, type Run } from '../samples.js';
import type { AttentionContext, AttentionWorker } from './attention.js';
import { piecesOf, type Piece } from './doors.js';
import { fabricBuffers, featuresOfColumn, rowOfTiles } from './fabric-row.js';

const blockBytes = slabTokens * panelRowBytes;
/** Stands for the buffer of running dK and dV, laid out over the columns like Q, K and V. */
const sums = -1;

/** Features `first` … `first + count − 1` of a buffer: one head's. */
interface Features {
  readonly x: number;
  readonly first: number;
  readonly count: number;
}

export const fabricAttention = (o: AttentionContext): AttentionWorker => {
  const { program, arena, batch, kernels: k, memory } = o;
  const { rowEdges, rectangle: { cols } } = program;
  const slabs = slabsOfSample(batch);
  const works = o.microBatches.map((microBatch) => workOf(arena.bands, o.thread, microBatch, batch));
  const own = arena.bands.find((band) => band.thread === o.thread);
  assert(own !== undefined, 'a host has a band');
  const { scratch, panels: [keys, queries, deltas], scoreChunk, rows } = fabricBuffers(program, own.fabric);
  const [max, reciprocal, dots, dotsChunk] = rows as [number, number, number, number];
  const at = arena.attention[o.thread] ?? 0;
  const [scoresAt, deltasAt, turnedAt, turnedDeltasAt, sumsAt] = [0, 1, 2, 3, 4].map((part) => at + part * slabs * blockBytes) as [number, number, number, number, number];

  /** One sample at work on one attention: its rows, and what they send each other. */
  const sampleOf = (runs: readonly Run[], a: AttentionPlan) => {
    const { heads, kvHeads, headSize } = a, headBytes = headSize * panelRowBytes;
    const width = (heads + 2 * kvHeads) * headSize;
    const widthOf = (buffer: number): number => (buffer === a.qkv || buffer === sums ? width : buffer === a.stats ? 2 * heads : buffer === a.scores ? heads * slabs * slabTokens : heads * headSize);
    const [firstRun] = runs;
    assert(firstRun !== undefined, 'a sample is in a band');
    const firstLane = (firstRun.band.firstSlab + firstRun.p) * slabTokens;
    const pieces = piecesOf(rowEdges, firstLane, Array.from({ length: slabs }, (_, slab) => tokensInSlab(slab, batch)));

    const travel = rowOfTiles(cols, {
      kernels: k, memory, scratch,
      range: (buffer, column) => featuresOfColumn(widthOf(buffer), cols, column),
      at: (buffer, slab, feature) => {
        // Running dK and dV of the one key–value head at hand.
        if (buffer === sums) return sumsAt + (slab + (feature >= (heads + kvHeads) * headSize ? slabs : 0)) * headBytes + (feature % headSize) * panelRowBytes;
        const run = runs.find(({ first, slabs: count }) => slab >= first && slab < first + count), base = run?.band.buffers[buffer];
        assert(run !== undefined && base !== undefined, 'a slab of the sample is in a band');
        return base + ((run.p + slab - run.first) * widthOf(buffer) + feature) * panelRowBytes;
      },
      holds: ({ row, slab, first, last }) => firstLane + slab * slabTokens + first >= (rowEdges[row] ?? 0) && firstLane + slab * slabTokens + last <= (rowEdges[row + 1] ?? 0),
    });
    const piecesOfSlab = (slab: number): readonly Piece[] => pieces[slab] ?? [];

    /** What a slab's rows send on: these features of all its tokens, in one panel. */
    const send = ({ x, first, count }: Features, from: readonly Piece[], panel: number): number => {
      k.clear(panel, count * panelRowBytes);
      for (const piece of from) travel({ type: 'multicast', piece, x, first, m: count, block: panel });
      return panel;
    };
    /** block[k][q] of keys' slabs 0 … i: products of what those slabs send with the row's own features. */
    const dot = (piece: Piece, own: Features, sent: Features, i: number, into: number): void => {
      k.clear(into, (i + 1) * blockBytes);
      for (let j = 0; j <= i; j++) {
        const panel = send(sent, piecesOfSlab(j), keys);
        k.clear(scoreChunk, blockBytes);
        travel({ type: 'score', piece, ...own, panel, sum: into + j * blockBytes, chunk: scoreChunk });
      }
    };
    /** The row's own features become the sum over keys of what slabs 0 … i send. */
    const weigh = (piece: Piece, own: Features, sent: Features, i: number, blocks: number): void => {
      for (let j = 0; j <= i; j++) travel({ type: 'weigh', piece, ...own, panel: send(sent, piecesOfSlab(j), keys), block: blocks + j * blockBytes, add: j > 0 ? 1 : 0 });
    };
    const keep = (piece: Piece, { x, first, count }: Features, panel: number): void => travel({ type: 'keep', piece, out: x, first, m: count, sum: panel, bias: -1 });

    return {
      piecesOfSlab, travel, send, dot, weigh, keep,
      /** Features of query head `head`, of key–value head `g`, of running sums. */
      q: (head: number): Features => ({ x: a.qkv, first: head * headSize, count: headSize }),
      o: (head: number): Features => ({ x: a.o, first: head * headSize, count: headSize }),
      d: (head: number): Features => ({ x: a.d, first: head * headSize, count: headSize }),
      key: (g: number, x = a.qkv): Features => ({ x, first: (heads + g) * headSize, count: headSize }),
      value: (g: number, x = a.qkv): Features => ({ x, first: (heads + kvHeads + g) * headSize, count: headSize }),
      statistics: (head: number): Features => ({ x: a.stats, first: 2 * head, count: 2 }),
      scores: (head: number, i: number): Features | null => (a.scores === null ? null : { x: a.scores, first: head * slabs * slabTokens, count: (i + 1) * slabTokens }),
    };
  };
  type Sample = ReturnType<typeof sampleOf>;
  const scaleOf = (a: AttentionPlan): number => Math.fround(1 / Math.sqrt(a.headSize));

  /** One row's queries of one head. */
  const forwardRow = (s: Sample, scale: number, g: number, head: number, i: number, piece: Piece): void => {
    s.dot(piece, s.q(head), s.key(g), i, scoresAt);
    k.attentionSoftmax(scoresAt, max, reciprocal, i + 1, scale);
    const scores = s.scores(head, i);
    if (scores !== null) s.keep(piece, scores, scoresAt);
    s.keep(piece, s.statistics(head), max);
    s.weigh(piece, s.o(head), s.value(g), i, scoresAt);
    s.travel({ type: 'scaleColumns', piece, ...s.o(head), row: reciprocal });
  };

  /** One row's deltas of its scores, and of its queries; p and g, turned, join those of the slab's other rows. */
  const deltaRow = (s: Sample, scale: number, g: number, head: number, i: number, piece: Piece): void => {
    const scores = s.scores(head, i);
    s.send(s.statistics(head), [piece], max);
    if (scores === null) {
      s.dot(piece, s.q(head), s.key(g), i, scoresAt);
      k.attentionExp(scoresAt, max, i + 1, scale);
    } else s.send(scores, [piece], scoresAt);
    k.clear(dots, panelRowBytes);
    k.clear(dotsChunk, panelRowBytes);
    s.travel({ type: 'headDot', piece, ...s.d(head), y: s.o(head).x, sum: dots, chunk: dotsChunk });
    s.dot(piece, s.d(head), s.value(g), i, deltasAt);
    k.attentionDelta(scoresAt, deltasAt, scoresAt, deltasAt, reciprocal, dots, scale, (i + 1) * slabTokens);
    s.weigh(piece, s.q(head), s.key(g), i, deltasAt);
    turnLanes(floats(memory, turnedAt, ((i + 1) * blockBytes) / 4), floats(memory, scoresAt, ((i + 1) * blockBytes) / 4), piece);
    turnLanes(floats(memory, turnedDeltasAt, ((i + 1) * blockBytes) / 4), floats(memory, deltasAt, ((i + 1) * blockBytes) / 4), piece);
  };

  const eachHead = (microBatch: number, a: AttentionPlan, visit: (s: Sample, g: number) => void): void => {
    for (const { runs, firstHead, step } of works[microBatch] ?? []) {
      const sample = sampleOf(runs, a);
      for (let g = firstHead; g < a.kvHeads; g += step) visit(sample, g);
    }
  };

  return {
    forward(microBatch, a) {
      const scale = scaleOf(a), group = a.heads / a.kvHeads;
      eachHead(microBatch, a, (s, g) => {
        for (let head = g * group; head < (g + 1) * group; head++) {
          for (let i = 0; i < slabs; i++) for (const piece of s.piecesOfSlab(i)) forwardRow(s, scale, g, head, i, piece);
        }
      });
    },

    delta(microBatch, a) {
      const scale = scaleOf(a), group = a.heads / a.kvHeads;
      eachHead(microBatch, a, (s, g) => {
        for (let head = g * group; head < (g + 1) * group; head++) {
          for (let i = 0; i < slabs; i++) {
            const rowsOfSlab = s.piecesOfSlab(i);
            // The delta of a row's queries takes their place: they leave first.
            s.send(s.q(head), rowsOfSlab, queries);
            s.send(s.d(head), rowsOfSlab, deltas);
            for (const turned of [turnedAt, turnedDeltasAt]) k.clear(turned, (i + 1) * blockBytes);
            for (const piece of rowsOfSlab) deltaRow(s, scale, g, head, i, piece);
            for (let j = 0; j <= i; j++) {
              const add = head > g * group || i > j ? 1 : 0;
              for (const piece of s.piecesOfSlab(j)) {
                s.travel({ type: 'weigh', piece, ...s.value(g, sums), panel: deltas, block: turnedAt + j * blockBytes, add });
                s.travel({ type: 'weigh', piece, ...s.key(g, sums), panel: queries, block: turnedDeltasAt + j * blockBytes, add });
              }
            }
          }
        }
        for (let j = 0; j < slabs; j++) {
          for (const piece of s.piecesOfSlab(j)) for (const { x, first, count } of [s.key(g), s.value(g)]) s.travel({ type: 'move', piece, from: sums, to: x, first, m: count });
        }
      });
    },
  };
};

/** into[q][k] = from[k][q] of every block, for the piece's queries q. */
const turnLanes = (into: Float32Array, from: Float32Array, { first, last }: Piece): void => {
  const blockFloats = slabTokens * slabTokens;
  for (let block = 0; block < from.length; block += blockFloats) {
    for (let q = first; q < last; q++) for (let key = 0; key < slabTokens; key++) into[block + q * slabTokens + key] = from[block + key * slabTokens + q] as number;
  }
};
