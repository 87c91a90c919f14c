/**
 * onnxruntime-web (its WebAssembly backend, one thread) as a peer for the matrix products. The weight is an initializer, so the runtime may pack it
 * beforehand; the gradient's two factors are inputs.
 *
 * A model of one Gemm node is written as protobuf bytes here. Not here: training (onnxruntime-web has none for Node).
 */
import { made } from '../harness/data.js';
import { checkPlaces, type LinearShape, type Product } from './protocol.js';
import { peerRequire, serve } from './serve.js';

interface Runtime {
  readonly env: { readonly wasm: { numThreads?: number; simd?: boolean } };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => unknown;
  readonly InferenceSession: { create(model: Uint8Array): Promise<{ run(feeds: Record<string, unknown>): Promise<Record<string, { readonly data: Float32Array }>> }> };
}

type Bytes = Uint8Array;
const join = (parts: readonly Bytes[]): Bytes => Uint8Array.from(Buffer.concat(parts));
const varint = (value: number): Bytes => {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
};
const number = (field: number, value: number): Bytes => join([varint(field * 8), varint(value)]);
const message = (field: number, ...parts: readonly Bytes[]): Bytes => {
  const body = join(parts);
  return join([varint(field * 8 + 2), varint(body.length), body]);
};
const text = (field: number, value: string): Bytes => message(field, new TextEncoder().encode(value));
const float32 = 1;

/** name, element type and shape of an input or output (ValueInfoProto). */
const value = (field: number, name: string, dims: readonly number[]): Bytes =>
  message(field, text(1, name), message(2, message(1, number(1, float32), message(2, ...dims.map((dim) => message(1, number(1, dim)))))));

const gemm = (a: readonly number[], b: readonly number[], out: readonly number[], transposeA: boolean, transposeB: boolean, weight: Float32Array | null): Bytes => {
  const flag = (name: string, on: boolean): Bytes => message(5, text(1, name), number(3, on ? 1 : 0), number(20, 2));
  const node = message(1, text(1, 'a'), text(1, 'b'), text(2, 'y'), text(4, 'Gemm'), flag('transA', transposeA), flag('transB', transposeB));
  const second = weight === null ? value(11, 'b', b)
    : message(5, ...b.map((dim) => number(1, dim)), number(2, float32), text(8, 'b'), message(9, new Uint8Array(weight.buffer, weight.byteOffset, weight.byteLength)));
  const graph = message(7, node, text(2, 'product'), second, value(11, 'a', a), value(12, 'y', out));
  return join([number(1, 8), message(8, text(1, ''), number(2, 13)), graph]);
};

const runtime = peerRequire('onnxruntime-web') as Runtime;
runtime.env.wasm.numThreads = 1;

let product: () => Promise<Float32Array> = () => Promise.resolve(new Float32Array(0));

const prepare = async (kind: Product, { tokens, inputs, outputs }: LinearShape): Promise<void> => {
  const x = made(tokens * inputs, 1, 2), w = made(inputs * outputs, 2, 2), dy = made(tokens * outputs, 3, 2);
  const tensor = (data: Float32Array, rows: number, columns: number): unknown => new runtime.Tensor('float32', data, [rows, columns]);
  const models = {
    forward: () => gemm([tokens, inputs], [inputs, outputs], [tokens, outputs], false, false, w),
    delta: () => gemm([tokens, outputs], [inputs, outputs], [tokens, inputs], false, true, w),
    gradient: () => gemm([tokens, inputs], [tokens, outputs], [inputs, outputs], true, false, null),
  };
  const feeds: Record<Product, Record<string, unknown>> = {
    forward: { a: tensor(x, tokens, inputs) },
    delta: { a: tensor(dy, tokens, outputs) },
    gradient: { a: tensor(x, tokens, inputs), b: tensor(dy, tokens, outputs) },
  };
  const session = await runtime.InferenceSession.create(models[kind]());
  product = async () => (await session.run(feeds[kind]))['y']?.data ?? new Float32Array(0);
};

await serve(async (command) => {
  switch (command.op) {
    case 'linear': {
      await prepare(command.product, command);
      const values = await product();
      return { check: checkPlaces(values.length).map((place) => values[place] ?? Number.NaN) };
    }
    case 'time': {
      const start = performance.now();
      for (let i = 0; i < command.times; i++) await product();
      return { seconds: (performance.now() - start) / 1000 / command.times };
    }
    default:
      throw new Error(`onnxruntime-web is no peer for ${command.op}`);
  }
});
process.exit(0);
