/**
 * One linear layer's forward, delta and gradient products on one thread, beside the scalar twin and other people's libraries.
 *
 * Weights are packed beforehand for everybody who can take them so; the gradient includes turning the deltas. Verified: against the scalar twin to the
 * bit on a small shape, and every side against f64 sums within γ(n) · Σ|terms|. Not here: a whole step (step.bench.ts).
 */
import { createKernels, kernelPlan, twinPlan, type KernelPlan } from '../src/kernels/load.js';
import { slabTokens } from '../src/kernels/types.js';
import { planBlocks } from '../src/compiler/blocks.js';
import { floats, MemoryPlan } from '../src/tensor/shared-memory.js';
import { fill, made } from './harness/data.js';
import { verifyPlaces } from './harness/expected.js';
import { fromPanels, toPanels } from './harness/panels.js';
import type { Outcome, Table } from './harness/results.js';
import { interleave, ratio, timeOf, type Ratio, type Variant } from './harness/rounds.js';
import { startPeer, type Peer, type PeerKind } from './peers/child.js';
import { checkPlaces, flops, resultShape, type LinearShape, type Product } from './peers/protocol.js';
import { planLayer, products, type Products } from './plain-products.js';
import type { BenchOptions } from './run.js';

const shapes: readonly LinearShape[] = [
  { tokens: 256, inputs: 256, outputs: 256 },
  { tokens: 512, inputs: 768, outputs: 3072 },
  { tokens: 1024, inputs: 1024, outputs: 1024 },
];
const small: LinearShape = { tokens: 64, inputs: 300, outputs: 84 };
const peerKinds: readonly PeerKind[] = ['numpy-openblas', 'pytorch', 'onnxruntime-web', 'tfjs-wasm'];
/** Seconds of one sample, about. */
const sampleSeconds = 0.12;
const expectedRate = 30e9;

interface Ours {
  readonly run: Products;
  /** Elements of the result, as peers order them. */
  readonly check: (product: Product) => readonly number[];
  readonly result: (product: Product) => Float32Array;
}

const ours = (plan: KernelPlan, s: LinearShape): Ours => {
  const { inputs, outputs, tokens } = s;
  const memoryPlan = new MemoryPlan('the bench');
  const shape = { inputs, outputs, panels: tokens / slabTokens };
  const at = planLayer(memoryPlan, shape);
  const memory = memoryPlan.create();
  const run = products(createKernels(plan, memory), shape, at, {
    forward: planBlocks(inputs, outputs)[0]?.count ?? outputs, delta: planBlocks(outputs, inputs)[0]?.count ?? inputs, gradient: planBlocks(inputs, outputs)[0]?.count ?? outputs,
  });
  toPanels(floats(memory, at.x, tokens * inputs), made(tokens * inputs, 1, 2), inputs);
  fill(floats(memory, at.w[0], inputs * outputs), 2, 2);
  run.packForward(0);
  run.packDelta(0);
  const deltas = made(tokens * outputs, 3, 2);
  const y = floats(memory, at.y, tokens * outputs);
  const result = (product: Product): Float32Array => {
    if (product !== 'forward') toPanels(y, deltas, outputs);
    run[product]();
    return product === 'forward' ? y : product === 'delta' ? floats(memory, at.dx, tokens * inputs) : floats(memory, at.g, inputs * outputs);
  };
  const check = (product: Product): readonly number[] => {
    const values = result(product);
    const [rows, columns] = resultShape(product, s);
    return checkPlaces(rows * columns).map((place) => (product === 'gradient' ? (values[place] as number) : fromPanels(values, place, columns)));
  };
  return { run, check, result };
};

const verifyTwin = (plan: KernelPlan): void => {
  const [fast, twin] = [ours(plan, small), ours(twinPlan, small)];
  for (const product of ['forward', 'delta', 'gradient'] as const) {
    const [a, b] = [fast.result(product), twin.result(product)];
    const wrong = new Int32Array(a.slice().buffer).findIndex((bits, i) => bits !== new Int32Array(b.slice(i, i + 1).buffer)[0]);
    if (wrong >= 0) throw new Error(`${product}: element ${wrong} differs from the scalar twin`);
  }
};

const benchProduct = async (product: Product, s: LinearShape, plans: readonly KernelPlan[], peers: readonly Peer[], rounds: number): Promise<Table> => {
  const times = Math.max(1, Math.round((sampleSeconds * expectedRate) / flops(s)));
  const variants: Variant[] = plans.map((plan) => {
    const own = ours(plan, s);
    verifyPlaces(plan.name, product, s, own.check(product));
    return { name: `waferstream ${plan.name}`, measure: () => timeOf(() => own.run[product](), times) };
  });
  for (const peer of peers) {
    verifyPlaces(peer.name, product, s, (await peer.ask({ op: 'linear', product, ...s })).check ?? []);
    variants.push({ name: peer.name, measure: async () => Number((await peer.ask({ op: 'time', times })).seconds) });
  }
  const samples = await interleave(variants, rounds);
  const mine = variants[0]?.name ?? '';
  const ratios: (Ratio | null)[] = peers.map(({ name }) =>
    ratio(samples, `rate ÷ ${name}`, name, mine, name.startsWith('numpy') ? '≥ 0.40 on Node 20, ≥ 0.80 on Node 24' : undefined));
  return {
    title: `${product} ${s.tokens}×${s.inputs}×${s.outputs} (tokens × inputs × outputs)`,
    work: { amount: flops(s) / 1e9, unit: 'GFLOP/s' }, samples, ratios: ratios.filter((r) => r !== null),
  };
};

const benchTwin = async (plan: KernelPlan, rounds: number): Promise<Table> => {
  const variants = [plan, twinPlan].map((p): Variant => {
    const own = ours(p, small);
    own.result('forward');
    return { name: p.name === 'twin' ? 'scalar twin' : `waferstream ${p.name}`, measure: () => timeOf(own.run.forward, p.name === 'twin' ? 2 : 200) };
  });
  const samples = await interleave(variants, Math.min(rounds, 5));
  const faster = ratio(samples, 'times faster than the scalar twin', 'scalar twin', variants[0]?.name ?? '');
  return { title: `forward ${small.tokens}×${small.inputs}×${small.outputs}`, work: { amount: flops(small) / 1e9, unit: 'GFLOP/s' }, samples, ratios: faster === null ? [] : [faster] };
};

export const run = async ({ rounds }: BenchOptions): Promise<Outcome> => {
  const plan = kernelPlan();
  const plans = plan.name === 'simd256' ? [plan, kernelPlan({ revectorize: 'off' })] : [plan];
  const verified: string[] = [], skipped: string[] = [], tables: Table[] = [];
  for (const each of plans) {
    verifyTwin(each);
    verified.push(`${each.name} equals the scalar twin to the bit: forward, delta, gradient of ${small.tokens}×${small.inputs}×${small.outputs}`);
  }
  const peers: Peer[] = [];
  for (const kind of peerKinds) {
    const peer = await startPeer(kind, 1);
    if (typeof peer === 'string') skipped.push(`${kind}: ${peer}`);
    else peers.push(peer);
  }
  try {
    tables.push(await benchTwin(plan, rounds));
    for (const s of shapes) for (const product of ['forward', 'delta', 'gradient'] as const) tables.push(await benchProduct(product, s, plans, peers, rounds));
    verified.push('every side, every shape and product: 64 elements against f64 sums within (n + 2) · 2⁻²⁴ · Σ|terms|');
  } finally {
    for (const peer of peers) peer.close();
  }
  return { tables, verified, skipped, kernels: plan.name };
};
