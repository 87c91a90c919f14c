/**
 * TensorFlow.js with its WebAssembly backend as a peer, on 1 or more threads.
 *
 * In Node the backend declines threads: it makes its workers from blob URLs, which Node's workers refuse, and takes at most half the cores.
 * `withThreads` writes those scripts to files and lets the backend see twice the cores while it starts; the arithmetic is its own.
 * Not here: the protocol's transport (serve.ts).
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { made } from '../harness/data.js';
import { checkPlaces } from './protocol.js';
import { peerRequire, serve } from './serve.js';

interface Tensor {
  dataSync(): Float32Array;
  dispose(): void;
}
interface Scalar extends Tensor {
  readonly isScalar?: true;
}
interface TensorFlow {
  setBackend(name: string): Promise<boolean>;
  env(): { set(flag: string, value: boolean): void };
  tensor2d(values: Float32Array, shape: readonly [number, number]): Tensor;
  tensor1d(values: Int32Array, dtype: string): Tensor;
  zeros(shape: readonly number[]): Tensor;
  oneHot(labels: Tensor, depth: number): Tensor;
  variable(value: Tensor): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  relu(a: Tensor): Tensor;
  transpose(a: Tensor): Tensor;
  registerGradient(gradient: {
    readonly kernelName: string;
    readonly inputsToSave: readonly string[];
    readonly gradFunc: (dy: Tensor, saved: readonly [Tensor, Tensor]) => { readonly a: () => Tensor; readonly b: () => Tensor };
  }): void;
  readonly losses: { softmaxCrossEntropy(labels: Tensor, logits: Tensor): Scalar };
  readonly train: { sgd(rate: number): { minimize(loss: () => Scalar, returnCost: true): Scalar } };
}
interface WasmBackend {
  setWasmPaths(folder: string): void;
  setThreadsCount(count: number): void;
  getThreadsCount(): number;
}

const threads = Number(process.argv[2] ?? 1);
const folder = join(dirname(peerRequire.resolve('@tensorflow/tfjs-backend-wasm')), '..', 'wasm-out/');

const withThreads = async <T>(start: () => Promise<T>): Promise<T> => {
  const os = peerRequire('node:os') as { cpus: () => unknown[] };
  const before = { Blob: globalThis.Blob, create: URL.createObjectURL, cpus: os.cpus };
  const scripts = mkdtempSync(join(tmpdir(), 'tfjs-threads-'));
  const main = JSON.stringify(join(folder, 'tfjs-backend-wasm-threaded-simd.js'));
  let count = 0;
  globalThis.Blob = class {
    readonly text: string;
    constructor(parts: readonly string[]) {
      this.text = parts.join('');
    }
  } as unknown as typeof Blob;
  URL.createObjectURL = (blob) => {
    const file = join(scripts, `worker-${count++}.cjs`);
    writeFileSync(file, `URL.createObjectURL = () => ${main};\n${(blob as unknown as { readonly text: string }).text}`);
    return file;
  };
  os.cpus = () => [...before.cpus(), ...before.cpus()];
  try {
    return await start();
  } finally {
    globalThis.Blob = before.Blob;
    URL.createObjectURL = before.create;
    os.cpus = before.cpus;
  }
};

const tf = peerRequire('@tensorflow/tfjs') as TensorFlow;
const wasm = peerRequire('@tensorflow/tfjs-backend-wasm') as WasmBackend;
wasm.setWasmPaths(folder);
if (threads > 1) {
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', true);
  wasm.setThreadsCount(threads);
  await withThreads(() => tf.setBackend('wasm'));
  if (wasm.getThreadsCount() !== threads) throw new Error(`the backend took ${wasm.getThreadsCount()} threads`);
} else await tf.setBackend('wasm');

/**
 * The backend's product of a transposed matrix runs at a fiftieth of its plain product; transposing first is what a user who looked would do. The library
 * prints that a gradient is overridden.
 */
const transposeFirst = (): void =>
  tf.registerGradient({
    kernelName: 'BatchMatMul', inputsToSave: ['a', 'b'],
    gradFunc: (dy, [a, b]) => ({ a: () => tf.matMul(dy, tf.transpose(b)), b: () => tf.matMul(tf.transpose(a), dy) }),
  });

const transposed = (a: Tensor, then: (t: Tensor) => Tensor): Tensor => {
  const t = tf.transpose(a), result = then(t);
  t.dispose();
  return result;
};

let product: () => Tensor = () => tf.zeros([1]);
let step: () => number = () => 0;

const prepareMlp = (sizes: readonly number[], batch: number, learningRate: number): void => {
  const inputs = sizes[0] ?? 0, classes = sizes.at(-1) ?? 0;
  const x = tf.tensor2d(made(batch * inputs, 1, 2), [batch, inputs]);
  const labels = tf.oneHot(tf.tensor1d(Int32Array.from({ length: batch }, (_, i) => i % classes), 'int32'), classes);
  const layers = sizes.slice(1).map((outputs, l) => {
    const from = sizes[l] as number;
    return { w: tf.variable(tf.tensor2d(made(from * outputs, 10 + l, 2 / Math.sqrt(from)), [from, outputs])), b: tf.variable(tf.zeros([outputs])) };
  });
  const optimizer = tf.train.sgd(learningRate);
  const loss = (): Scalar => {
    const logits = layers.reduce((h, { w, b }, l) => {
      const y = tf.add(tf.matMul(h, w), b);
      return l + 1 < layers.length ? tf.relu(y) : y;
    }, x);
    return tf.losses.softmaxCrossEntropy(labels, logits);
  };
  step = () => {
    const cost = optimizer.minimize(loss, true);
    const value = cost.dataSync()[0] ?? Number.NaN;
    cost.dispose();
    return value;
  };
};

await serve(async (command) => {
  switch (command.op) {
    case 'linear': {
      const { tokens, inputs, outputs } = command;
      const x = tf.tensor2d(made(tokens * inputs, 1, 2), [tokens, inputs]);
      const w = tf.tensor2d(made(inputs * outputs, 2, 2), [inputs, outputs]);
      const dy = tf.tensor2d(made(tokens * outputs, 3, 2), [tokens, outputs]);
      product = { forward: () => tf.matMul(x, w), delta: () => transposed(w, (t) => tf.matMul(dy, t)), gradient: () => transposed(x, (t) => tf.matMul(t, dy)) }[command.product];
      const out = product(), values = out.dataSync();
      out.dispose();
      return { check: checkPlaces(values.length).map((place) => values[place] ?? Number.NaN) };
    }
    case 'time': {
      const start = performance.now();
      for (let i = 0; i < command.times; i++) product().dispose();
      return { seconds: (performance.now() - start) / 1000 / command.times };
    }
    case 'mlp':
      if (command.transposeFirst) transposeFirst();
      prepareMlp(command.sizes, command.batch, command.learningRate);
      return {};
    case 'steps': {
      const seconds: number[] = [], losses: number[] = [];
      for (let i = 0; i < command.count; i++) {
        const start = performance.now();
        losses.push(step());
        seconds.push((performance.now() - start) / 1000);
      }
      return { seconds, losses };
    }
    case 'linearStep':
    case 'compressed':
    case 'gpt':
    case 'gptPrompts':
    case 'generate':
      throw new Error(`TensorFlow.js is no peer for ${command.op}`);
    default:
      throw new Error(`no such command: ${JSON.stringify(command satisfies never)}`);
  }
});
process.exit(0);
