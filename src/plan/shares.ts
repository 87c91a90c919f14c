/**
 * What the deal of a batch means for counts: which shares wafers hold in each micro-batch, and how often a block of weights or of gradients is counted on its way.
 *
 *   batch shape, program, SwarmX tree ─▶ groups of equal micro-batches ─▶ shares (tile actions), ways (bytes and additions between wafers and MemoryX)
 *
 * Not here: what a pass does with a share (passes.ts).
 */
import { dealBatch, lanesIn, slabsOfSample, tokensIn, type BatchShape, type MicroBatch } from '../cluster/deal.js';
import { planTree, type FanIn } from '../cluster/swarmx/tree.js';
import { shareOf, type Share } from '../cluster/tile/band.js';
import { nodesOfRange } from '../cluster/token-tree.js';
import type { Program } from '../compiler/program.js';

/** A share of a micro-batch, and how many wafers hold one like it. */
export interface SharedBy {
  readonly share: Share;
  readonly wafers: number;
  /** Of its fullest row: tokens, and pairs of a query and a key that it sees. */
  readonly rowTokens: number;
  readonly rowPairs: number;
}

/** How often what streams is counted. */
export interface Ways {
  /** SwarmX links, and wafers, that a block goes down to. */
  readonly links: number;
  readonly wafers: number;
  /** Wafers that send a gradient; their nodes beyond one each. */
  readonly senders: number;
  readonly overhead: number;
  /** Links that a gradient goes up, additions of SwarmX nodes, and nodes that reach MemoryX. */
  readonly linksUp: number;
  readonly adds: number;
  readonly nodes: number;
}

export interface MicroBatchGroup {
  readonly times: number;
  readonly shares: readonly SharedBy[];
  /** The share of the fullest wafer. */
  readonly fullest: SharedBy;
  readonly ways: Ways;
}

/** Tokens and pairs of each row of a share. */
export const rowsOfShare = (program: Program, batch: BatchShape, share: Omit<Share, 'step' | 'evaluate'>): { readonly tokens: Float64Array; readonly pairs: Float64Array } => {
  const rows = program.rowEdges.length - 1, tokens = new Float64Array(rows), pairs = new Float64Array(rows), together = slabsOfSample(batch), { slabTokens } = batch;
  for (let row = 0; row < rows; row++) {
    for (let lane = program.rowEdges[row] as number; lane < (program.rowEdges[row + 1] as number);) {
      const slab = Math.floor(lane / slabTokens), end = Math.min((slab + 1) * slabTokens, program.rowEdges[row + 1] as number);
      const there = Math.min(share.tokensOf[slab] ?? 0, end - slab * slabTokens) - (lane - slab * slabTokens), place = ((share.firstSlab + slab) % together) * slabTokens + lane - slab * slabTokens;
      if (there > 0) {
        tokens[row] = (tokens[row] as number) + there;
        pairs[row] = (pairs[row] as number) + (there * (2 * place + there + 1)) / 2;
      }
      lane = end;
    }
  }
  return { tokens, pairs };
};

const sharesOf = (program: Program, batch: BatchShape, { wafers }: MicroBatch, known: Map<string, SharedBy>): readonly SharedBy[] => {
  const found = new Map<string, { readonly one: SharedBy; wafers: number }>();
  wafers.forEach((range, wafer) => {
    if (range.count === 0) return;
    // Wafers hold whole samples: shares with as many slabs, tokens and lanes are alike.
    const key = `${range.count}/${tokensIn(range, batch)}/${lanesIn(range, batch)}/${batch.tokensPerSample === 1 ? 0 : range.first % slabsOfSample(batch)}`;
    const same = found.get(key);
    if (same !== undefined) {
      same.wafers++;
      return;
    }
    let one = known.get(key);
    if (one === undefined) {
      const share = { ...shareOf({ wafer, firstSlab: 0, slabs: range.count }, program, { first: range.first, count: range.count, wafers }, batch), step: 0, evaluate: false };
      const rows = rowsOfShare(program, batch, share), most = (of: Float64Array): number => of.reduce((a, b) => Math.max(a, b), 0);
      one = { share, wafers: 1, rowTokens: most(rows.tokens), rowPairs: most(rows.pairs) };
      known.set(key, one);
    }
    found.set(key, { one, wafers: 1 });
  });
  return [...found.values()].map(({ one, wafers: count }) => ({ ...one, wafers: count }));
};

/** Nodes that a range of slabs leaves behind. */
const nodesIn = (range: { readonly first: number; readonly count: number }, batch: BatchShape): number => {
  const together = slabsOfSample(batch);
  // Whole samples: their trees are closed, so samples stand for leaves.
  return range.count === 0 ? 0 : nodesOfRange(range.first / together, range.count / together).length;
};

const waysOf = (batch: BatchShape, fanIn: FanIn, microBatch: MicroBatch): Ways => {
  const tree = planTree(batch.numCsx, fanIn), { wafers } = microBatch;
  const isBusy = (first: number, count: number): boolean => wafers.slice(first, first + count).some((range) => range.count > 0);
  let links = 0, linksUp = 0, adds = 0;
  for (const node of tree) {
    links += node.tier === 0 ? node.wafers : node.children.length;
    const senders = node.tier === 0
      ? wafers.slice(node.firstWafer, node.firstWafer + node.wafers).filter((range) => range.count > 0).length
      : node.children.filter((child) => isBusy(tree[child]?.firstWafer ?? 0, tree[child]?.wafers ?? 0)).length;
    linksUp += senders;
    adds += Math.max(0, senders - 1);
  }
  const senders = wafers.filter((range) => range.count > 0);
  return { links, wafers: batch.numCsx, senders: senders.length, overhead: senders.reduce((sum, range) => sum + nodesIn(range, batch) - 1, 0), linksUp, adds, nodes: nodesIn(microBatch, batch) };
};

/** Micro-batches of a step, equal ones together, the last one's group last. */
export const groupsOf = (program: Program, batch: BatchShape, fanIn: FanIn): readonly MicroBatchGroup[] => {
  const groups = new Map<string, { readonly group: Omit<MicroBatchGroup, 'times'>; times: number }>(), known = new Map<string, SharedBy>();
  for (const microBatch of dealBatch(batch)) {
    const shares = sharesOf(program, batch, microBatch, known), ways = waysOf(batch, fanIn, microBatch);
    const key = JSON.stringify([shares.map(({ share, wafers }) => [share.slabs, share.tokens, wafers]), ways]);
    const same = groups.get(key);
    if (same !== undefined) {
      same.times++;
      continue;
    }
    const [fullest] = shares.toSorted((a, b) => b.rowTokens - a.rowTokens || b.share.tokens - a.share.tokens);
    if (fullest !== undefined) groups.set(key, { group: { shares, fullest, ways }, times: 1 });
  }
  return [...groups.values()].map(({ group, times }) => ({ ...group, times }));
};
