/**
 * One linear layer with sparse weights on one thread: forward, delta and gradient in the stored form beside the dense kernels and PyTorch, by sparsity and pattern.
 *
 * Weights lie packed, or gathered into their streams, beforehand; the gradient includes turning the deltas, or laying four slabs side by side. The stored form is timed at
 * every sparsity, also where the cluster would take the dense kernel. Verified: every product over stored positions equals the dense one over zeros to the bit on a small
 * shape, the forward product on the large one too; peers at places against f64. Not here: a whole step (sparse-gpt.ts).
 */
import { planBlocks } from '../src/compiler/blocks.js';
import { createKernels, type KernelPlan } from '../src/kernels/load.js';
import { slabTokens, type Kernels } from '../src/kernels/types.js';
import type { MaskPattern } from '../src/model/sparsity.js';
import { floats, MemoryPlan } from '../src/tensor/shared-memory.js';
import { made } from './harness/data.js';
import { verifyPlaces } from './harness/expected.js';
import { madeMask, maskSalt } from './harness/masks.js';
import { toPanels } from './harness/panels.js';
import type { Table } from './harness/results.js';
import { interleave, median, ratio, timeOf, type Ratio, type Samples, type Variant } from './harness/rounds.js';
import { startPeer, type BlasCore, type Peer } from './peers/child.js';
import { checkPlaces, type LinearShape, type PeerCommand, type Product } from './peers/protocol.js';
import { planLayer, products, type LayerPlaces } from './plain-products.js';
import { denseGradient, fillSparseLayer, planSparseLayer, sparseProducts, type SparseLayer } from './sparse-products.js';

const large: LinearShape = { tokens: 1024, inputs: 768, outputs: 3072 }, small: LinearShape = { tokens: 128, inputs: 300, outputs: 84 };
const threeProducts = ['forward', 'delta', 'gradient'] as const;

interface Kind {
  readonly name: string;
  readonly pattern: MaskPattern;
  readonly sparsity: number;
  /** Of the whole step: dense ÷ sparse. */
  readonly goal?: string;
}

const shares = [0, 0.25, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99], goals: Readonly<Record<number, string>> = { 0.75: '≥ 1.7', 0.9: '≥ 4', 0.95: '≥ 7' };
const percent = (sparsity: number): string => `${Math.round(sparsity * 100)} %`;
const atRandom = shares.map((sparsity): Kind & { readonly sparsity: number } => ({ name: `${percent(sparsity)} absent`, pattern: 'unstructured', sparsity, ...(goals[sparsity] === undefined ? {} : { goal: goals[sparsity] }) }));
const kinds: readonly Kind[] = [...atRandom, { name: '75 % absent, 4×1', pattern: 'blocks', sparsity: 0.75, goal: '≥ 2.5' }, { name: '50 % absent, 2:4', pattern: { n: 2, m: 4 }, sparsity: 0.5 }];
/** Those of which PyTorch's compressed rows are timed too. */
const compressedShares = [0.5, 0.75, 0.9, 0.95];
/** Seconds of one sample, at least, about; and most runs of one. */
const sampleSeconds = 0.06, timesMax = 20;

interface Bench {
  readonly memory: WebAssembly.Memory;
  readonly kernels: Kernels;
  readonly at: LayerPlaces;
  readonly layers: readonly SparseLayer[];
  readonly dense: Readonly<Record<Product, () => void>>;
  readonly sparse: readonly Readonly<Record<Product, () => void>>[];
  /** Puts a weight, packed, where the dense products read it. */
  setWeight(weight: Float32Array): void;
}

/** The layer with dense weights and with those of every kind, in one memory. x and the deltas stand in their panels; a forward product writes over the deltas. */
const makeBench = (plan: KernelPlan, { tokens, inputs, outputs }: LinearShape, masks: readonly { readonly pattern: MaskPattern; readonly mask: Uint8Array }[]): Bench => {
  const room = new MemoryPlan('the bench'), shape = { inputs, outputs, panels: tokens / slabTokens }, at = planLayer(room, shape);
  const layers = masks.map(({ pattern, mask }) => planSparseLayer(room, shape, pattern, mask));
  const memory = room.create(), kernels = createKernels(plan, memory), weight = made(inputs * outputs, 2, 2);
  const counts = (n: number, m: number): number => planBlocks(n, m)[0]?.count ?? m;
  const dense = products(kernels, shape, at, { forward: counts(inputs, outputs), delta: counts(outputs, inputs), gradient: counts(inputs, outputs) });
  for (const layer of layers) fillSparseLayer(memory, layer, weight);
  toPanels(floats(memory, at.x, tokens * inputs), made(tokens * inputs, 1, 2), inputs);
  const setWeight = (values: Float32Array): void => {
    floats(memory, at.w[0], inputs * outputs).set(values);
    dense.packForward(0);
    dense.packDelta(0);
  };
  setWeight(weight);
  return { memory, kernels, at, layers, dense, sparse: layers.map((layer) => sparseProducts(kernels, layer, at)), setWeight };
};

const setDeltas = ({ memory, at }: Bench, { tokens, outputs }: LinearShape): void => toPanels(floats(memory, at.y, tokens * outputs), made(tokens * outputs, 3, 2), outputs);

const same = (a: Float32Array, b: Float32Array, what: string): void => {
  const [left, right] = [new Int32Array(a.buffer), new Int32Array(b.buffer)], wrong = left.findIndex((bits, i) => bits !== right[i]);
  if (wrong >= 0 || left.length !== right.length) throw new Error(`${what}: element ${wrong} is ${a[wrong]} over stored positions, ${b[wrong]} over zeros`);
};

/** Products over stored positions against the dense ones over zeros. */
const verifyBits = (bench: Bench, s: LinearShape, which: readonly Product[]): void => {
  const { memory, at } = bench, { tokens, inputs, outputs } = s, weight = made(inputs * outputs, 2, 2);
  kinds.forEach(({ name }, i) => {
    const layer = bench.layers[i] as SparseLayer, mask = new Uint8Array(weight.length);
    layer.structure.positions.forEach((position) => void (mask[position] = 1));
    bench.setWeight(weight.map((value, place) => (mask[place] === 1 ? value : 0)));
    for (const product of which) {
      const results = [bench.sparse[i], bench.dense].map((run, side) => {
        if (product !== 'forward') setDeltas(bench, s);
        run?.[product]();
        if (product !== 'gradient') return product === 'forward' ? floats(memory, at.y, tokens * outputs).slice() : floats(memory, at.dx, tokens * inputs).slice();
        return side === 0 ? denseGradient(memory, layer) : floats(memory, at.g, inputs * outputs).map((value, place) => (mask[place] === 1 ? value : 0));
      });
      same(results[0] as Float32Array, results[1] as Float32Array, `${name}, ${product} of ${tokens}×${inputs}×${outputs}`);
    }
  });
};

const makeBenchOf = (plan: KernelPlan, s: LinearShape): Bench => makeBench(plan, s, kinds.map(({ pattern, sparsity }) => ({ pattern, mask: madeMask(s.inputs, s.outputs, pattern, sparsity) })));

/** As many runs a sample as fill its time. */
const timed = (name: string, run: () => void): Variant => {
  const times = Math.min(timesMax, Math.max(1, Math.round(sampleSeconds / timeOf(run, 1))));
  return { name, measure: () => timeOf(run, times) };
};

/** Samples of variants that are run one after the other, as one. */
const summed = (samples: readonly Samples[], name: string, parts: readonly string[]): Samples => {
  const lists = parts.map((part) => samples.find((s) => s.name === part)?.rounds.map(median) ?? []);
  const rounds = (lists[0] ?? []).map((_, round) => [lists.reduce((sum, list) => sum + (list[round] ?? Number.NaN), 0)]);
  return { name, rounds, median: median(rounds.map(median)), best: Math.min(...rounds.flat()) };
};

/** The share of absent positions from which on `ratios` (ascending by it) are above 1, between measured ones along a line; the lowest measured one if all are. */
const overtakes = (name: string, ratios: readonly Ratio[], goal: string): Ratio => {
  const of = (values: readonly number[]): number => {
    const from = values.findLastIndex((value) => value < 1);
    if (from < 0) return shares[0] as number;
    const [low = 1, high = Infinity] = [shares[from], shares[from + 1]], [a = 0, b = 1] = [values[from], values[from + 1]];
    return low + ((1 - a) / (b - a)) * (high - low);
  };
  const rounds = (ratios[0]?.rounds ?? []).map((_, round) => of(ratios.map((r) => r.rounds[round] as number)));
  return { name, rounds, median: median(rounds), goal };
};

const peerTimes = 2;
const peerNames = {
  dense: 'pytorch, dense step', avx2: 'pytorch, dense step, AVX2 kernels of OpenBLAS',
  compressed: (sparsity: number): string => `pytorch, compressed rows, forward, ${percent(sparsity)} absent`,
};

interface PeerVariant extends Variant {
  readonly peer: Peer;
}

const startPeers = async (skipped: string[]): Promise<readonly PeerVariant[]> => {
  const variants: PeerVariant[] = [];
  const add = async (name: string, command: PeerCommand, core: BlasCore | undefined, verify: (check: readonly number[]) => void): Promise<void> => {
    const peer = await startPeer('pytorch', 1, core);
    if (typeof peer === 'string') return void skipped.push(`${name}: ${peer}`);
    verify((await peer.ask(command)).check ?? []);
    variants.push({ peer, name, measure: async () => Number((await peer.ask({ op: 'time', times: peerTimes })).seconds) });
  };
  const each = checkPlaces(1).length;
  for (const [name, core] of [[peerNames.dense, undefined], [peerNames.avx2, 'Haswell']] as const) {
    await add(name, { op: 'linearStep', ...large }, core, (check) => threeProducts.forEach((product, i) => verifyPlaces(name, product, large, check.slice(i * each, (i + 1) * each))));
  }
  for (const sparsity of compressedShares) {
    const name = peerNames.compressed(sparsity);
    await add(name, { op: 'compressed', sparsity, maskSalt, ...large }, undefined, (check) => verifyPlaces(name, 'forward', large, check, madeMask(large.inputs, large.outputs, 'unstructured', sparsity)));
  }
  return variants;
};

const ratiosOf = (samples: readonly Samples[]): readonly Ratio[] => {
  const all = (list: readonly (Ratio | null)[]): Ratio[] => list.filter((r) => r !== null);
  const againstDense = (product: Product | 'step', list: readonly Kind[], withGoals: boolean): Ratio[] =>
    all(list.map(({ name, goal }) => ratio(samples, `${name}: ${product}, dense ÷ sparse`, `dense ${product}`, `${name}: ${product}`, withGoals ? goal : undefined)));
  const compressed = (sparsity: number): Ratio | null =>
    ratio(samples, `${percent(sparsity)} absent: forward, speed ÷ pytorch's compressed rows`, peerNames.compressed(sparsity), `${percent(sparsity)} absent: forward`, sparsity === 0.9 ? '≥ 3' : undefined);
  const step = (sparsity: number, name: string, goal?: string): Ratio | null => ratio(samples, `${percent(sparsity)} absent: step, speed ÷ ${name}`, name, `${percent(sparsity)} absent: step`, goal);
  return [
    ...againstDense('step', kinds, true),
    overtakes('share of absent positions from which on the stored form is faster: forward', againstDense('forward', atRandom, false), '≤ 0.50'),
    overtakes('share of absent positions from which on the stored form is faster: step', againstDense('step', atRandom, false), '≤ 0.60'),
    ...all(compressedShares.map(compressed)),
    ...all([0.75, 0.9, 0.95].map((sparsity) => step(sparsity, peerNames.dense, sparsity === 0.9 ? '≥ 2 on Node 20' : undefined))),
    ...all([step(0.9, peerNames.avx2)]),
    ...threeProducts.flatMap((product) => againstDense(product, kinds, false)),
  ];
};

export const sparseLayerTable = async (plan: KernelPlan, rounds: number, verified: string[], skipped: string[]): Promise<Table> => {
  verifyBits(makeBenchOf(plan, small), small, threeProducts);
  const bench = makeBenchOf(plan, large);
  verifyBits(bench, large, ['forward']);
  bench.setWeight(made(large.inputs * large.outputs, 2, 2));
  setDeltas(bench, large);
  verified.push(`${kinds.map(({ name }) => name).join('; ')}: products over stored positions equal the dense ones over zeros to the bit, all three of ${small.tokens}×${small.inputs}×${small.outputs} and the forward one of ${large.tokens}×${large.inputs}×${large.outputs}`);
  const peers = await startPeers(skipped);
  if (peers.length > 0) verified.push('pytorch, dense and compressed: 64 elements against f64 sums within (n + 2) · 2⁻²⁴ · Σ|terms|');
  try {
    const own = [{ name: 'dense', run: bench.dense }, ...kinds.map(({ name }, i) => ({ name: `${name}:`, run: bench.sparse[i] as Readonly<Record<Product, () => void>> }))];
    const measured = await interleave([...own.flatMap(({ name, run }) => threeProducts.map((product) => timed(`${name} ${product}`, run[product]))), ...peers], rounds);
    const samples = [...own.map(({ name }) => summed(measured, `${name} step`, threeProducts.map((product) => `${name} ${product}`))), ...measured];
    return { title: `sparse linear layer ${large.tokens}×${large.inputs}×${large.outputs} (tokens × inputs × outputs), 1 thread`, samples, ratios: ratiosOf(samples) };
  } finally {
    for (const { peer } of peers) peer.close();
  }
};
